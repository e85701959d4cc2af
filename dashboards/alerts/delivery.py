"""Alerts for whoever runs the exporter: whether what was heard is kept and arrives."""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Alert, Severity
from dashboards.names import meter

LATE_SECONDS: Final = 300
"""A store that takes five minutes to catch up is away, not slow: delivery is a matter of seconds."""

VERY_LATE_SECONDS: Final = 6 * 3600
"""A quarter of a day unsent: the spool's limit comes into sight."""

FORECAST_SECONDS: Final = 4 * 86_400
"""Four days are a long weekend."""

SPOOL_SHARE: Final = 0.8
"""Counters are given up only at the limit; here there is still time to bring the store back."""

WAITING_ENTRIES: Final = 5_000
"""What a crash would lose. A commit takes milliseconds, so only a disk that refuses lets so much gather."""


SHED_COUNTS: Final = 'class="counts"'
"""Shed counts; a shed entry is counted as dropped too."""


def _grown(family: str, by: str, window: str, matcher: str = "") -> str:
    """By how much a counter grew; one that was born within the window counts with all it has."""
    name = meter(family) + (f"{{{matcher}}}" if matcher else "")
    born = f"sum by ({by}) ({name}) unless sum by ({by}) ({name} offset {window})"
    return f"sum by ({by}) (increase({name}[{window}])) > 0 or ({born})"


LATE: Final = Alert(
    name="DiscordExporterUnsentOld",
    title="A store is behind",
    severity=Severity.WARNING,
    value=f"max by (instance, sink) ({meter('discord_exporter_oldest_unsent_seconds')})",
    comparison=">",
    threshold=LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    meaning=(
        "Entries wait in the spool because the store does not take them. Nothing is lost while the spool "
        "has room; dashboards that read this store are behind."
    ),
    steps="""
        1. `discord-exporter check` says what the store answers; so does the page of the exporter at
           `/`.
        2. Is the store up, is its disk full, has a password changed?
        3. Once it takes entries again the spool drains by itself, oldest first.
    """,
)

VERY_LATE: Final = Alert(
    name="DiscordExporterUnsentVeryOld",
    title="A store has been away for hours",
    severity=Severity.CRITICAL,
    value=LATE.value,
    comparison=">",
    threshold=VERY_LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    meaning=(
        "As *DiscordExporterUnsentOld*, for so long that the spool may fill before anybody looks again."
    ),
    steps="""
        1. As above; and compare *Spool* on the dashboard with its limit.
        2. If the store will be away for longer, raise `spool.max_bytes` and restart: a restart
           loses nothing.
    """,
)

SINK_FAILING: Final = Alert(
    name="DiscordSinkFailing",
    title="Deliveries fail",
    severity=Severity.WARNING,
    value=f"min by (instance, sink) ({meter('discord_exporter_sink_up')})",
    comparison="<",
    threshold=1,
    lasting="10m",
    summary="Deliveries of {{ $labels.instance }} to {{ $labels.sink }} have failed for ten minutes.",
    meaning=("The store refuses or cannot be reached. The spool keeps everything and tries again for ever."),
    steps="""
        1. `discord-exporter check` says what the store answers.
        2. The label `reason` of `discord_exporter_sink_failures_total` tells refused from
           unreachable.
    """,
)

LOSS: Final = Alert(
    name="DiscordExporterLoss",
    title="Entries were lost",
    severity=Severity.CRITICAL,
    value=" or ".join(
        f'label_replace({_grown(family, by, "10m", matcher)}, "what", "{what}", "", "")'
        for family, by, what, matcher in (
            ("discord_exporter_dropped_total", "instance, reason", "dropped", ""),
            ("discord_exporter_shed_total", "instance, class", "shed", SHED_COUNTS),
            ("discord_exporter_evicted_total", "instance, sink", "evicted", ""),
            ("discord_exporter_dead_total", "instance, sink", "dead", ""),
        )
    ),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="{{ $labels.instance }} has given up {{ $value }} entries ({{ $labels.what }}).",
    meaning=(
        "`dropped`: memory was full while the disk took nothing, or an entry was too large. `evicted`: the "
        "spool was full, and the oldest unsent counters went first. `dead`: a store refused entries for "
        "good."
    ),
    steps="""
        1. The log names type and reason at level error.
        2. evicted or dropped: bring the store or the disk back; then raise `spool.max_bytes`.
        3. dead: the entries are kept for `spool.dead_max_age`; the reason in the log says whether
           the store's schema or the exporter is at fault.
    """,
)

SPOOL_FULL: Final = Alert(
    name="DiscordSpoolFilling",
    title="The spool is nearly full",
    severity=Severity.CRITICAL,
    value=(
        f'sum by (instance) ({meter("discord_exporter_spool_bytes")}{{file="database"}}) '
        f"/ sum by (instance) ({meter('discord_exporter_spool_limit_bytes')})"
    ),
    comparison=">",
    threshold=SPOOL_SHARE,
    lasting="5m",
    summary="The spool of {{ $labels.instance }} is {{ $value | humanizePercentage }} full.",
    meaning=("At its limit the spool gives up the oldest unsent counters. Bans, joins and leaves go last."),
    steps="""
        1. Bring the store back that is behind: *DiscordExporterUnsentOld* names it.
        2. Raise `spool.max_bytes` if the volume has room, and restart.
    """,
)

DISK: Final = Alert(
    name="DiscordVolumeFilling",
    title="The volume will be full in days",
    severity=Severity.WARNING,
    value=f"predict_linear({meter('discord_exporter_volume_free_bytes')}[6h], {FORECAST_SECONDS})",
    comparison="<",
    threshold=0,
    lasting="1h",
    summary="The data volume of {{ $labels.instance }} will be full within four days at this rate.",
    meaning="The straight line through the last six hours of free space meets zero within four days.",
    steps="""
        1. What grows? `du -sh data/*`: the SQLite log, the spool, or something else on the same
           volume.
        2. The SQLite log grows for ever by design; move to PostgreSQL or a larger volume in time.
    """,
)

REFUSING_DISK: Final = Alert(
    name="DiscordNothingCommitted",
    title="Entries gather in memory",
    severity=Severity.CRITICAL,
    value=f"max by (instance) ({meter('discord_exporter_unspooled_entries')})",
    comparison=">",
    threshold=WAITING_ENTRIES,
    lasting="2m",
    summary="{{ $value }} entries of {{ $labels.instance }} are in memory only; a crash would lose them.",
    meaning="The disk under `data_dir` refuses to be written, or is far too slow.",
    steps="""
        1. The page of the exporter at `/` says why nothing can be committed.
        2. Free space, or make the directory writable; do not restart before, for that loses what is
           in memory.
    """,
)

REJECTED: Final = Alert(
    name="DiscordPayloadsRejected",
    title="Payloads cannot be understood",
    severity=Severity.WARNING,
    value=_grown("discord_exporter_rejected_total", "instance, type, reason", "1h"),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="{{ $labels.instance }} cannot use {{ $labels.type }}: {{ $labels.reason }}.",
    meaning=("Discord sent something in a form the exporter does not know. These events are not counted."),
    steps="""
        1. Is there a newer version of the exporter? Its changelog says.
        2. Report type and reason.
    """,
)

ALERTS: Final = (LATE, VERY_LATE, SINK_FAILING, LOSS, SPOOL_FULL, DISK, REFUSING_DISK, REJECTED)
