"""Panels of the fleet: events from Discord, and requests to its REST API."""

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
    about="Which events does Discord send most? An enabled type that never arrives needs an intent.",
    view=Series(stacked=True, fill=30),
    queries=(Prom(f"topk(6, {promql.rate('discord_gateway_events_total', by='type')})", "{{type}}"),),
    unit=Unit.PER_SECOND,
    empty="No events received",
)
SESSIONS = Panel(
    slug="sessions",
    title="Sessions resumed and new sessions",
    about="Are connections stable? A few resumes a day are normal. New sessions count against the "
    "daily limit of 1,000 and reload every server: many within an hour indicate a crash loop.",
    view=Series(bars=True),
    queries=(
        Prom(promql.grown("discord_gateway_resumes_total", over="$__interval") + " > 0", "resumed"),
        Prom(promql.grown("discord_gateway_identifies_total", over="$__interval") + " > 0", "new session"),
    ),
    colours={"resumed": Colour.MILD, "new session": Colour.WARN},
    step="5m",
    decimals=0,
    empty="No reconnects",
)
REST = Panel(
    slug="rest",
    title="REST requests by status",
    about="Does Discord answer requests? 403 is a missing permission, 429 a rate limit, 5xx an error "
    "of Discord. A trouble is an answer that says nothing of what was asked: the request is sent again.",
    view=Series(bars=True, stacked=True),
    queries=(
        Prom(promql.grown("discord_rest_requests_total", by="status", over="$__interval"), "{{status}}"),
        Prom(
            promql.grown("discord_rest_answers_total", 'meaning="trouble"', over="$__interval") + " > 0",
            "trouble",
        ),
    ),
    colours={
        "trouble": Colour.OTHER,
        "200": Colour.CALM,
        "204": Colour.CALM,
        "403": Colour.WARN,
        "404": Colour.MILD,
        "429": Colour.BAD,
    },
    step="1m",
    decimals=0,
    empty="No requests",
)
ROUTES = Panel(
    slug="routes",
    title="REST requests by route",
    about="Which requests does the bot send? If one route has most requests while few events arrive, "
    "its look-ups find nothing.",
    view=Rows((Column("Requests", bar=True, steps=(Step(Colour.MESSAGE),), decimals=0),)),
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
    empty="No requests",
)
MISSING = Panel(
    slug="missing",
    title="Missing permissions",
    about="Which permission is missing, in how many servers, and which feature is incomplete without "
    "it? Ask the owners for it, or disable the feature.",
    view=Rows((Column("Servers", bar=True, steps=(Step(Colour.MILD),)),)),
    queries=(
        Prom(f"{promql.own('discord_exporter_blind', by='feature, missing')} > 0", instant=True, rows=True),
    ),
    transformations=(
        (
            "organize",
            {
                "excludeByName": {"Time": True},
                "renameByName": {"feature": "Feature", "missing": "Missing permission", "Value": "Servers"},
            },
        ),
    ),
    empty="No permission is missing",
)
TOTALS = Panel(
    slug="totals",
    title="Messages, joins and leaves in all servers",
    about="How many messages, joins and leaves are there in all servers? A fall in all servers at once "
    "has its cause in Discord or the bot. Bots count too if Prometheus has not loaded the "
    "recording rules.",
    view=Series(bars=True),
    queries=(
        Prom(promql.everywhere(recordings.FLEET_MESSAGES, "MESSAGE_CREATE"), "messages"),
        Prom(promql.everywhere(recordings.FLEET_JOINS, "GUILD_MEMBER_ADD"), "joined"),
        Prom(promql.everywhere(recordings.FLEET_LEAVES, "GUILD_MEMBER_REMOVE"), "left"),
    ),
    colours={"messages": Colour.MESSAGE, "joined": Colour.GOOD, "left": Colour.MILD},
    step="5m",
    decimals=0,
    empty="No events",
)
