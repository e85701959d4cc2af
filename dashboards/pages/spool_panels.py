"""Panels of exporter health: the spool, losses and input."""

from __future__ import annotations

from dashboards.model import (
    Column,
    Panel,
    Prom,
    Rows,
    Series,
    Step,
)
from dashboards.names import meter
from dashboards.queries import promql
from dashboards.style import Colour, Unit

SPOOL = Panel(
    slug="spool",
    title="Spool size",
    about="Does the spool have enough space? It grows while a sink is unavailable and shrinks "
    "afterwards. The series in 6 hours is a linear forecast.",
    view=Series(),
    queries=(
        Prom(f"sum by (file) ({meter('discord_exporter_spool_bytes')})", "{{file}}"),
        Prom(promql.own("discord_exporter_spool_limit_bytes"), "limit"),
        Prom(
            f"predict_linear(sum({meter('discord_exporter_spool_bytes')})[1h:1m], 6 * 3600) > 0", "in 6 hours"
        ),
    ),
    unit=Unit.BYTES,
    colours={"in 6 hours": Colour.OTHER, "limit": Colour.BAD},
    empty="Exporter down",
)
GIVEN_UP = Panel(
    slug="given-up",
    title="Rejected, dropped, dead and evicted",
    about="Which entries are not delivered, and why? Rejected is input that cannot be used; failed is "
    "an error isolated in a component; the others are losses. The labels name the cause.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(
            promql.grown("discord_exporter_rejected_total", by="reason", over="$__interval") + " > 0",
            "rejected: {{reason}}",
        ),
        Prom(
            promql.grown("discord_exporter_rejected_elements_total", by="list", over="$__interval") + " > 0",
            "rejected: {{list}}",
        ),
        Prom(
            # What is dropped from full memory is shown as shed, by class.
            promql.grown(
                "discord_exporter_dropped_total",
                'reason!="memory_full"',
                by="reason",
                over="$__interval",
            )
            + " > 0",
            "dropped: {{reason}}",
        ),
        Prom(
            promql.grown("discord_exporter_dead_total", by="sink", over="$__interval") + " > 0",
            "dead: {{sink}}",
        ),
        Prom(
            promql.grown("discord_exporter_evicted_total", by="sink", over="$__interval") + " > 0",
            "evicted: {{sink}}",
        ),
        Prom(
            promql.grown("discord_exporter_sink_lost_total", by="sink", over="$__interval") + " > 0",
            "in a replaced file: {{sink}}",
        ),
        Prom(
            promql.grown("discord_exporter_shed_total", by="class", over="$__interval") + " > 0",
            "shed: {{class}}",
        ),
        Prom(
            promql.grown("discord_exporter_component_errors_total", by="component", over="$__interval")
            + " > 0",
            "failed: {{component}}",
        ),
        Prom(
            promql.grown("discord_exporter_component_skipped_total", by="component", over="$__interval")
            + " > 0",
            "not handled: {{component}}",
        ),
        Prom(
            promql.grown("discord_exporter_damaged_state_total", over="$__interval") + " > 0",
            "damaged: rows of state",
        ),
        Prom(
            promql.grown("discord_exporter_audit_log_gaps_total", over="$__interval") + " > 0",
            "given up: gaps in audit logs",
        ),
        Prom(
            promql.grown("discord_exporter_withheld_total", by="sink", over="$__interval") + " > 0",
            "withheld after an opt-out: {{sink}}",
        ),
    ),
    step="1m",
    decimals=0,
    empty="No losses",
)
TYPES = Panel(
    slug="types",
    title="Events received by type",
    about="Which events does the exporter receive? Received are events whose type is enabled, accepted "
    "those counted or recorded, offered the entries made from them.",
    view=Rows(
        (
            Column("type", width=320),
            Column("Received", bar=True, steps=(Step(Colour.MESSAGE),), decimals=0),
            Column("Accepted", bar=True, steps=(Step(Colour.GOOD),), decimals=0),
            Column("Offered", width=100, decimals=0),
        )
    ),
    queries=(
        Prom(promql.grown("discord_exporter_received_total", by="type"), instant=True, rows=True),
        Prom(promql.grown("discord_exporter_accepted_total", by="type"), instant=True, rows=True),
        Prom(promql.grown("discord_exporter_offered_total", by="type"), instant=True, rows=True),
    ),
    transformations=(
        ("joinByField", {"byField": "type", "mode": "outer"}),
        (
            "organize",
            {
                "excludeByName": {"Time 1": True, "Time 2": True, "Time 3": True},
                "renameByName": {"Value #A": "Received", "Value #B": "Accepted", "Value #C": "Offered"},
            },
        ),
        ("sortBy", {"fields": {}, "sort": [{"field": "Received", "desc": True}]}),
    ),
    empty="No events received",
)
DRIFT = Panel(
    slug="drift",
    title="Member count corrections",
    about="Do the counted members agree with Discord's own number? A few corrections after an outage "
    "are normal. Corrections without an outage mean that joins or leaves are missed: check the "
    "intent guild_members.",
    view=Series(bars=True),
    queries=(
        Prom(
            promql.grown("discord_exporter_member_count_corrections_total", over="$__interval"),
            "servers corrected",
        ),
        Prom(
            promql.grown("discord_exporter_member_count_drift_total", over="$__interval"), "members corrected"
        ),
        Prom(
            promql.grown("discord_exporter_levels_forgotten_total", over="$__interval") + " > 0",
            "levels forgotten",
        ),
    ),
    colours={
        "servers corrected": Colour.MESSAGE,
        "members corrected": Colour.WARN,
        "levels forgotten": Colour.BAD,
    },
    step="5m",
    decimals=0,
    empty="No corrections",
)
LOOKUPS = Panel(
    slug="inquiries",
    title="Look-ups with the REST API",
    about="Does Discord answer look-ups (audit log, invites) in time? A growing number of waiting "
    "look-ups is held back by the rate limit; refused ones need a permission. What is not decided yet "
    "is counted when its answer has come or its time has passed.",
    view=Series(),
    queries=(
        Prom(promql.grown("discord_exporter_inquiries_asked_total", over="$__interval"), "submitted"),
        Prom(promql.grown("discord_exporter_inquiries_merged_total", over="$__interval"), "merged"),
        Prom(
            promql.grown("discord_exporter_inquiries_answered_total", by="outcome", over="$__interval"),
            "{{outcome}}",
        ),
        Prom(promql.own("discord_exporter_inquiries_waiting"), "waiting"),
        Prom(promql.own("discord_exporter_pending_decisions"), "not decided yet"),
    ),
    colours={
        "answered": Colour.CALM,
        "refused": Colour.WARN,
        "failed": Colour.BAD,
        "dropped": Colour.HARM,
        "waiting": Colour.MILD,
        "not decided yet": Colour.VOICE,
        "submitted": Colour.MESSAGE,
        "merged": Colour.OTHER,
    },
    step="1m",
    decimals=0,
    empty="No look-ups",
)
