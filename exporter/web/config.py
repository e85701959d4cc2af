"""The section ``web``: the address the server listens on.

Only loopback is safe by default: the page and the metrics show guild names and activity to everyone who can
connect, and there is no login.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from exporter.settings import Section

DEFAULT_LISTEN = "127.0.0.1:9464"
"""Prometheus' list of default ports (9100 to 9999) is full. It reserves this one for exporters inside
programs (OpenTelemetry), so no other server on the same machine, such as node_exporter, uses it."""

MAX_PORT = 65_535


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of ``127.0.0.1:9464``, ``[::1]:9464`` or ``:9464`` (every interface).

    Port 0 means any free one.

    Raises:
        ValueError: the text is not an address; the message shows the notation.
    """
    host, colon, port = text.strip().rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    plain = bracketed or ":" not in host
    if not (colon and plain and port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        msg = f"{text!r} is not an address; write for instance 127.0.0.1:9464 or [::1]:9464"
        raise ValueError(msg)
    return (host[1:-1] if bracketed else host) or "0.0.0.0", int(port)  # noqa: S104 - `:9464` asks for it by name


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class WebConfig(Section):
    """The HTTP server."""

    insecure: Annotated[
        bool,
        Field(description="Allow an address other machines can reach, without login or TLS."),
    ] = False
    listen: Annotated[
        str,
        Field(description="Address of /metrics, /healthz, /readyz and the page, as host:port."),
    ] = DEFAULT_LISTEN

    @field_validator("listen")
    @classmethod
    def _refuse_open_address(cls, listen: str, info: ValidationInfo) -> str:
        host, _port = parse_listen(listen)
        if not is_loopback(host) and not info.data.get("insecure"):
            msg = (
                f"{listen!r} can be reached by other machines and has neither login nor TLS; "
                "listen on 127.0.0.1, or set web.insecure: true if a firewall or proxy guards it"
            )
            raise ValueError(msg)
        return listen

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to bind."""
        return parse_listen(self.listen)
