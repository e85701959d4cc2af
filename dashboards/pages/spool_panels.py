"""Panels of exporter health: the spool, what is lost, and what comes in."""

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
    title="Spool on disk",
    about="Is there room? It grows while a sink is away and should shrink afterwards. The dashed forecast is "
    "where it will be in six hours at this pace.",
    view=Series(),
    queries=(
        Prom(f"sum by (file) ({meter('discord_exporter_spool_bytes')})", "{{file}}"),
        Prom(promql.own("discord_exporter_spool_limit_bytes"), "limit"),
        Prom(
            f"predict_linear(sum({meter('discord_exporter_spool_bytes')})[1h:1m], 6 * 3600) > 0", "in 6 hours"
        ),
    ),
    unit=Unit.BYTES,
    colours={"in 6 hours": Colour.REST, "limit": Colour.BAD},
    empty="Exporter down",
)
GIVEN_UP = Panel(
    slug="given-up",
    title="Rejected, dropped, dead and evicted",
    about="What does not arrive, and why? Rejected is input that could not be used, failed an "
    "error isolated in a component; the others are losses. The reasons name the cause.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(
            promql.grown("discord_exporter_rejected_total", by="reason", over="$__interval") + " > 0",
            "rejected: {{reason}}",
        ),
        Prom(
            promql.grown("discord_exporter_dropped_total", by="reason", over="$__interval") + " > 0",
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
            promql.grown("discord_exporter_component_errors_total", by="component", over="$__interval")
            + " > 0",
            "failed: {{component}}",
        ),
        Prom(
            promql.grown("discord_exporter_damaged_state_total", over="$__interval") + " > 0",
            "damaged: rows of state",
        ),
    ),
    step="1m",
    decimals=0,
    empty="Everything arrived",
)
TYPES = Panel(
    slug="types",
    title="Events taken in, by type",
    about="What is the exporter fed with? Received is what a switch asks for, accepted what was counted or "
    "recorded, offered the entries made of it.",
    view=Rows(
        (
            Column("type", width=320),
            Column("Received", bar=True, steps=(Step(Colour.TALK),), decimals=0),
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
    empty="Nothing was taken in",
)
DRIFT = Panel(
    slug="drift",
    title="Member counts put right",
    about="Do counted members agree with Discord's own number? A few after an outage are normal. Drift "
    "without one means that joins or leaves go unseen: check the intent guild_members.",
    view=Series(bars=True),
    queries=(
        Prom(
            promql.grown("discord_exporter_member_count_corrections_total", over="$__interval"),
            "servers corrected",
        ),
        Prom(promql.grown("discord_exporter_member_count_drift_total", over="$__interval"), "members off"),
        Prom(
            promql.grown("discord_exporter_levels_forgotten_total", over="$__interval") + " > 0",
            "levels forgotten",
        ),
    ),
    colours={
        "servers corrected": Colour.TALK,
        "members off": Colour.WARN,
        "levels forgotten": Colour.BAD,
    },
    step="5m",
    decimals=0,
    empty="Every count agreed",
)
INQUIRIES = Panel(
    slug="inquiries",
    title="Questions to Discord's REST API",
    about="Are look-ups (who banned, which invite) answered in time? Waiting ones that pile up are held "
    "back by the rate limit; refused ones lack a permission.",
    view=Series(),
    queries=(
        Prom(promql.grown("discord_exporter_inquiries_asked_total", over="$__interval"), "asked"),
        Prom(promql.grown("discord_exporter_inquiries_merged_total", over="$__interval"), "merged"),
        Prom(
            promql.grown("discord_exporter_inquiries_answered_total", by="outcome", over="$__interval"),
            "{{outcome}}",
        ),
        Prom(promql.own("discord_exporter_inquiries_waiting"), "waiting"),
    ),
    colours={
        "answered": Colour.CALM,
        "refused": Colour.WARN,
        "failed": Colour.BAD,
        "dropped": Colour.HARM,
        "waiting": Colour.MILD,
        "asked": Colour.TALK,
        "merged": Colour.REST,
    },
    step="1m",
    decimals=0,
    empty="Nothing was asked",
)
