r"""The two text formats: which one a request accepts, and how a family is written. Pure.

The samples of a family stand together; a counter's samples end in ``_total``, and so does its name in the
text format but not in OpenMetrics. A label value holds any text, with ``\``, ``"`` and line feeds escaped;
other control characters become U+FFFD, since a NUL ends the input for some parsers.

Negotiation is our own because no library offers it for a mixed exposition:
``prometheus_client.choose_encoder`` ignores quality values and upper case, and promises any OpenMetrics
version a client names.

Source: Prometheus docs, Exposition formats; OpenMetrics 1.0.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Sequence

_TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_OPENMETRICS_VERSIONS = frozenset({"", "1.0.0"})
_TEXT_VERSIONS = frozenset({"", "0.0.4"})


class TextFormat(enum.Enum):
    """A text format, by its content type."""

    TEXT = _TEXT_TYPE
    OPENMETRICS = _OPENMETRICS_TYPE


_UNREADABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def readable(value: str) -> str:
    """The text without characters that end the input of some parsers or that UTF-8 cannot hold."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", value)


def is_plain(text: str) -> bool:
    """Whether a label's value is written as it is."""
    return text.isprintable() and '"' not in text and "\\" not in text


def escape_label(value: str) -> str:
    """A label's value, between the quotes."""
    if is_plain(value):
        return value
    return readable(value).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def header(format_: TextFormat, name: str, kind: str, help_: str) -> str:
    """The HELP and TYPE lines of a family; ``name`` is a counter's without ``_total``."""
    if kind == "counter" and format_ is TextFormat.TEXT:
        name += "_total"
    text = help_.replace("\\", r"\\").replace("\n", r"\n")
    if format_ is TextFormat.OPENMETRICS:
        text = text.replace('"', r"\"")
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n"


def number(value: float) -> str:
    """A sample's value: whole numbers without a fraction, however they were summed."""
    if isinstance(value, int):
        return str(int(value))
    if value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - beyond this, repr turns to exponents and reads better
        return str(int(value))
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def choose_format(accept: str | None) -> TextFormat:
    """The accepted format: OpenMetrics if named with at least the quality of text, else text.

    RFC 9110 › Accept. Wildcards mean text, which every scraper reads.
    """
    openmetrics = text = wildcard = 0.0
    for media, parameters, quality in _parse_accept(accept or ""):
        version = parameters.get("version", "")
        if media == "application/openmetrics-text" and version in _OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, quality)
        elif media == "text/plain" and version in _TEXT_VERSIONS:
            text = max(text, quality)
        elif media in {"*/*", "text/*"}:
            wildcard = max(wildcard, quality)
    return TextFormat.OPENMETRICS if openmetrics and openmetrics >= (text or wildcard) else TextFormat.TEXT


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip is named with a quality above zero. RFC 9110 › Accept-Encoding."""
    return any(
        coding in {"gzip", "x-gzip"} and quality > 0
        for coding, _, quality in _parse_accept(accept_encoding or "")
    )


def _parse_accept(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for item in text.lower().split(","):
        name, *rest = item.split(";")
        pairs: Sequence[tuple[str, str, str]] = [part.strip().partition("=") for part in rest]
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in pairs}
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 0.0
        yield name.strip(), parameters, quality if 0 <= quality <= 1 else 0.0
