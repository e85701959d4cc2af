"""Alerts for operators: whether entries are stored and delivered."""

from __future__ import annotations

from typing import Final

from dashboards.alerts.rule import Alert, Severity
from dashboards.names import meter

LATE_SECONDS: Final = 300
"""Delivery takes seconds; after five minutes the store is unavailable."""

VERY_LATE_SECONDS: Final = 6 * 3600
"""After a quarter of a day the spool may reach its limit."""

FORECAST_SECONDS: Final = 4 * 86_400
"""Four days are a long weekend."""

SPOOL_SHARE: Final = 0.8
"""Counters are discarded at the limit; here there is still time to repair the store."""

UNSAVED_SECONDS: Final = 60
"""Twelve times the interval at which counts are saved."""

WAITING_ENTRIES: Final = 5_000
"""Entries that a crash loses. A commit takes milliseconds, so only a failing disk causes so many."""


SHED_COUNTS: Final = 'class="counts"'
"""Shed counts; a shed entry is counted as dropped too."""


def _grown(family: str, by: str, window: str, matcher: str = "") -> str:
    """The growth of a counter; a series that began within the window counts with its whole value."""
    name = meter(family) + (f"{{{matcher}}}" if matcher else "")
    new = f"sum by ({by}) ({name}) unless sum by ({by}) ({name} offset {window})"
    return f"sum by ({by}) (increase({name}[{window}])) > 0 or ({new})"


LATE: Final = Alert(
    name="DiscordExporterUnsentOld",
    title="Deliveries to a store are late",
    severity=Severity.WARNING,
    value=f"max by (instance, sink) ({meter('discord_exporter_oldest_unsent_seconds')})",
    comparison=">",
    threshold=LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    meaning=(
        "Entries wait in the spool because the store does not accept them. No data is lost while the spool "
        "has space; dashboards that read this store are out of date."
    ),
    steps="""
        1. `discord-exporter check` and the status page of the exporter at `/` show the error of the
           store.
        2. Is the store running, is its disk full, was a password changed?
        3. When the store accepts entries again, the spool delivers the oldest first.
    """,
)

VERY_LATE: Final = Alert(
    name="DiscordExporterUnsentVeryOld",
    title="A store has been unavailable for hours",
    severity=Severity.CRITICAL,
    value=LATE.value,
    comparison=">",
    threshold=VERY_LATE_SECONDS,
    lasting="5m",
    summary="{{ $labels.sink }} of {{ $labels.instance }} is {{ $value | humanizeDuration }} behind.",
    meaning=("As *DiscordExporterUnsentOld*, for so long that the spool may become full."),
    steps="""
        1. As above; compare *Spool size* on the dashboard with the limit.
        2. If the store stays unavailable, raise `spool.max_bytes` and restart the exporter: a restart
           loses no data.
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
    meaning="The store rejects deliveries or is unreachable. The spool stores all entries and retries "
    "without limit.",
    steps="""
        1. `discord-exporter check` shows the error of the store.
        2. The label `reason` of `discord_exporter_sink_failures_total` separates rejected from
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
            ("discord_exporter_sink_lost_total", "instance, sink", "replaced", ""),
        )
    ),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="Entries lost by {{ $labels.instance }} ({{ $labels.what }}): {{ $value }}.",
    meaning=(
        "`dropped`: memory was full while the disk was not writable, or an entry was too large. `shed`: "
        "memory was full, and counts were discarded. `evicted`: the spool was full and discarded the oldest"
        " unsent counters. `dead`: a store rejected entries permanently. `replaced`: the SQLite file was "
        "deleted or replaced; the new file lacks what was stored before."
    ),
    steps="""
        1. The log names type and reason at level error.
        2. evicted, dropped or shed: repair the store or the disk; then raise `spool.max_bytes`.
        3. dead: `discord-exporter spool dead list` names type and reason of each: the schema of the store
           or a bug of the exporter. They are stored for `spool.dead_max_age`. Repair the store, stop the
           exporter and run `discord-exporter spool dead replay`.
        4. replaced: the log names the file and the positions. Stop the exporter, put the earlier file back if
           it still exists, and start the exporter again.
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
    meaning="At its limit the spool discards the oldest unsent counters first, and bans, joins and leaves "
    "last.",
    steps="""
        1. Repair the store whose deliveries are late: *DiscordExporterUnsentOld* names it.
        2. Raise `spool.max_bytes` if the volume has space, and restart the exporter.
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
    meaning="A linear forecast from the last six hours of free space reaches zero within four days.",
    steps="""
        1. Which file grows? `du -sh data` shows the SQLite log and the spool; other programs may use
           the same volume.
        2. The SQLite log grows without limit by design; move to PostgreSQL or a larger volume in time.
    """,
)

REFUSING_DISK: Final = Alert(
    name="DiscordNothingCommitted",
    title="Entries are not written to disk",
    severity=Severity.CRITICAL,
    value=f"max by (instance) ({meter('discord_exporter_unspooled_entries')})",
    comparison=">",
    threshold=WAITING_ENTRIES,
    lasting="2m",
    summary="{{ $value }} entries of {{ $labels.instance }} are only in memory; a crash loses them.",
    meaning="The disk of `data_dir` is not writable or too slow.",
    steps="""
        1. The status page of the exporter at `/` shows the error of the disk.
        2. Free space, or make the directory writable. Do not restart before: a restart loses the
           entries in memory.
    """,
)

UNSAVED: Final = Alert(
    name="DiscordCountsUnsaved",
    title="Counts are not saved",
    severity=Severity.CRITICAL,
    value=f"max by (instance) ({meter('discord_exporter_unsaved_seconds')})",
    comparison=">",
    threshold=UNSAVED_SECONDS,
    lasting="1m",
    summary="{{ $labels.instance }} has saved nothing for {{ $value | humanizeDuration }}; a crash loses it.",
    meaning="The disk of `data_dir` hangs, refuses or is too slow. Counts are saved every few seconds "
    "otherwise.",
    steps="""
        1. `/readyz` and the status page of the exporter show whether the disk refuses or does not answer.
        2. Repair the disk or free space. Do not restart before: a restart loses what is in memory.
    """,
)

REJECTED: Final = Alert(
    name="DiscordPayloadsRejected",
    title="Payloads rejected",
    severity=Severity.WARNING,
    value=_grown("discord_exporter_rejected_total", "instance, type, reason", "1h"),
    comparison=">",
    threshold=0,
    lasting="0s",
    summary="{{ $labels.instance }} cannot use {{ $labels.type }}: {{ $labels.reason }}.",
    meaning="Discord sent events in a form that the exporter does not support. These events are not counted.",
    steps="""
        1. Check the changelog for a newer version of the exporter that supports them.
        2. Report type and reason as a bug.
    """,
)

ALERTS: Final = (LATE, VERY_LATE, SINK_FAILING, LOSS, SPOOL_FULL, DISK, REFUSING_DISK, UNSAVED, REJECTED)
