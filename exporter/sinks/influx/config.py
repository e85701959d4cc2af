"""The section ``sinks.influxdb`` of the configuration."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from exporter.settings import Duration, Secret, Section
from exporter.sinks.spec import SinkSection


def parse_url(value: object) -> str | None:
    """The address without a trailing slash; nothing for an empty one, as an unset ``${VAR:-}`` leaves it.

    Raises:
        ValueError: not the address of an HTTP server; the message says how one is written.
    """
    if value is None or value == "":
        return None
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment or not text.isprintable():
        msg = f"{value!r} is not an address; write for instance http://influxdb:8086"
        raise ValueError(msg)
    if parts.username or parts.password:
        msg = "an address must not carry a user or password; use token (or token_file)"
        raise ValueError(msg)
    return text.rstrip("/")


Bucket = Annotated[str, Field(min_length=1, max_length=255)]
Deadline = Annotated[Duration, Field(gt=0)]
DAY = 86_400.0


class TimeoutConfig(Section):
    """How long one write may take. A write that ran out of time is sent again, which is harmless."""

    connect: Deadline = Field(default=5.0, description="Until the connection is established.")
    read: Deadline = Field(default=20.0, description="Between two pieces of the answer.")
    total: Deadline = Field(default=30.0, description="For the whole of one write.")


class InfluxConfig(SinkSection):
    """InfluxDB 2, or anything that takes its write API."""

    enabled: bool = Field(default=True, description="Off keeps the address but writes nothing.")
    url: Annotated[str | None, BeforeValidator(parse_url)] = Field(
        default=None, description="Address of the server; without one this sink is off."
    )
    org: Annotated[str, Field(min_length=1)] = Field(default="discord", description="Organisation.")
    token: Secret = Field(default=SecretStr(""), description="API token with write access to the buckets.")
    bucket: Bucket = Field(default="discord", description="Bucket of everything but members.")
    bucket_members: Bucket = Field(default="discord_members", description="Bucket of members' activity.")
    bucket_longterm: Bucket = Field(
        default="discord_longterm", description="Bucket of hours and days, which never expire."
    )
    keep: Deadline = Field(
        default=90 * DAY, description="How long points are kept; for the bucket that `migrate` makes."
    )
    keep_members: Deadline = Field(
        default=30 * DAY, description="How long points about members are kept, likewise."
    )
    gzip: bool = Field(default=True, description="Compress what is sent.")
    timeout: TimeoutConfig = Field(default=TimeoutConfig(), description="Deadlines of one write.")

    @property
    def active(self) -> bool:
        """Whether there is anything to write to."""
        return self.enabled and self.url is not None
