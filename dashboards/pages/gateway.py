"""Panels of the fleet: what Discord sends, and what it is asked."""

from __future__ import annotations

from dashboards.alerts import recordings
from dashboards.model import (
    Column,
    Panel,
    Prom,
    Rows,
    Series,
    Step,
)
from dashboards.queries import promql
from dashboards.style import Colour, Unit

EVENTS = Panel(
    slug="events",
    title="Events by type",
    about="What does Discord send? The busiest types. One that is asked for and never comes lacks an intent.",
    view=Series(stacked=True, fill=30),
    queries=(Prom(f"topk(6, {promql.rate('discord_gateway_events_total', by='type')})", "{{type}}"),),
    unit=Unit.PER_SECOND,
    empty="Nothing received",
)
SESSIONS = Panel(
    slug="sessions",
    title="Sessions resumed and begun anew",
    about="Are connections stable? Resumes are normal, a few a day. New sessions cost of the daily budget of "
    "1,000 and reload every server: many in an hour is a crash loop.",
    view=Series(bars=True),
    queries=(
        Prom(promql.grown("discord_gateway_resumes_total", over="$__interval") + " > 0", "resumed"),
        Prom(promql.grown("discord_gateway_identifies_total", over="$__interval") + " > 0", "begun anew"),
    ),
    colours={"resumed": Colour.MILD, "begun anew": Colour.WARN},
    step="5m",
    decimals=0,
    empty="No reconnects",
)
REST = Panel(
    slug="rest",
    title="REST requests by answer",
    about="Does Discord answer the bot's questions? 403 is a missing permission, 429 too many requests, 5xx "
    "Discord's own trouble.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(promql.grown("discord_rest_requests_total", by="status", over="$__interval"), "{{status}}"),
    ),
    colours={
        "200": Colour.CALM,
        "204": Colour.CALM,
        "403": Colour.WARN,
        "404": Colour.MILD,
        "429": Colour.BAD,
    },
    step="1m",
    decimals=0,
    empty="Nothing was asked",
)
ROUTES = Panel(
    slug="routes",
    title="REST requests by route",
    about="What does the bot ask for? A route that dominates while nothing happens is a question asked in "
    "vain.",
    view=Rows((Column("Requests", bar=True, steps=(Step(Colour.TALK),), decimals=0),)),
    queries=(
        Prom(
            f"topk(12, {promql.grown('discord_rest_requests_total', by='route, status')})",
            instant=True,
            rows=True,
        ),
    ),
    transformations=(
        (
            "organize",
            {
                "excludeByName": {"Time": True},
                "renameByName": {"route": "Route", "status": "Answer", "Value": "Requests"},
            },
        ),
    ),
    empty="Nothing was asked",
)
MISSING = Panel(
    slug="missing",
    title="What goes unseen, and why",
    about="Which permission is missing, in how many servers, and what is not counted for it? Ask their "
    "owners, or switch the feature off.",
    view=Rows((Column("Servers", bar=True, steps=(Step(Colour.MILD),)),)),
    queries=(
        Prom(f"{promql.own('discord_exporter_blind', by='feature, missing')} > 0", instant=True, rows=True),
    ),
    transformations=(
        (
            "organize",
            {
                "excludeByName": {"Time": True},
                "renameByName": {"feature": "Not seen", "missing": "For want of", "Value": "Servers"},
            },
        ),
    ),
    empty="Everything is seen everywhere",
)
TOTALS = Panel(
    slug="totals",
    title="Messages, joins and leaves in all servers",
    about="Does something happen everywhere at once? A dent in all servers is Discord or the bot, not the "
    "communities. Bots count too where Prometheus has not loaded the recording rules.",
    view=Series(bars=True),
    queries=(
        Prom(promql.everywhere(recordings.FLEET_MESSAGES, "MESSAGE_CREATE"), "messages"),
        Prom(promql.everywhere(recordings.FLEET_JOINS, "GUILD_MEMBER_ADD"), "joined"),
        Prom(promql.everywhere(recordings.FLEET_LEAVES, "GUILD_MEMBER_REMOVE"), "left"),
    ),
    colours={"messages": Colour.TALK, "joined": Colour.GOOD, "left": Colour.MILD},
    step="5m",
    decimals=0,
    empty="Nothing happened",
)
