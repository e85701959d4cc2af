"""The landing page, as a pure function of a status. No script, no external asset, readable without style."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from exporter.web.status import Status

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "table{border-collapse:collapse;margin:0 0 1.5rem}"
    "caption{text-align:left;font-weight:600;padding:.25rem 0}"
    "th,td{border:1px solid #767676;padding:.25rem .75rem;text-align:left}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#1a1a1a}a{color:#9cf}}"
)
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
"""The content security policy allows this style and no other."""

_LINKS = (
    ("/metrics", "metrics for Prometheus"),
    ("/healthz", "whether the process is alive"),
    ("/readyz", "whether it is connected and delivering"),
)
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def write_page(status: Status, *, version: str, now_ms: int) -> str:
    """The page as HTML; everything variable is escaped."""
    obstacles = status.obstacles()
    state = "Ready" if not obstacles else "Not ready"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>discord-exporter: {state.lower()}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>discord-exporter {escape(version)}</h1>",
            f"<p><strong>{state}</strong>, running for {_span((now_ms - status.started_at) / 1000)}.</p>",
            _list(f"{reason.part} {reason.name}: {reason.detail}" for reason in obstacles),
            _tables(status),
            "<h2>More</h2><ul>",
            *(f'<li><a href="{path}">{path}</a>: {text}</li>' for path, text in _LINKS),
            "</ul></main></body></html>\n",
        )
    )


def _tables(status: Status) -> str:
    spool = status.spool
    return "".join(
        (
            _table(
                "Shards",
                ("shard", "state", "heartbeat"),
                [
                    (
                        str(shard.shard),
                        "connected" if shard.connected else "not connected",
                        "" if shard.latency is None else f"{shard.latency * 1000:.0f} ms",
                    )
                    for shard in status.shards
                ],
            ),
            _table(
                "Sinks",
                ("sink", "state", "waiting", "oldest", "last error"),
                [
                    (
                        sink.name,
                        "delivering" if sink.up else "failing",
                        f"{sink.pending:,}",
                        "" if sink.oldest_age is None else _span(sink.oldest_age),
                        sink.last_error,
                    )
                    for sink in status.sinks
                ],
            ),
            _table(
                "Spool",
                ("committed", "size", "state"),
                [(f"{spool.spooled:,}", f"{spool.bytes / 1024:,.0f} KiB", spool.error or "writable")],
            ),
            _table(
                "Not decided yet",
                ("component", "waiting"),
                [(name, f"{number:,}") for name, number in status.pending.items()],
            ),
            _table(
                "Failing components",
                ("component", "errors since start"),
                [(name, f"{errors:,}") for name, errors in status.failing.items()],
            ),
            _table(
                "Missing permissions",
                ("feature", "missing", "what is not recorded"),
                [(blind.feature, blind.missing, blind.detail) for blind in status.blind],
            ),
        )
    )


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{cells}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _span(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
