"""Voice activity of one server: who, where, when and for how long."""

from __future__ import annotations

from dashboards.model import Band, Flux, Folder, Page, Panel, Prom, Section, Series, Stat, Trend
from dashboards.pages import parts
from dashboards.pages.heatmap import week_heatmap
from dashboards.queries import activity, flux, promql
from dashboards.style import VOICE_STATES, Colour, Unit

_ACTIVE = ("state", "active")

NOW = Panel(
    slug="now",
    title="In voice now",
    about="How many people, without bots, are in voice now? Zero at a usually busy hour can indicate a "
    "broken voice region.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.state("voice_members")),),
    colour=Colour.VOICE,
    empty="No one in voice",
)
PEAK = Panel(
    slug="peak",
    title="Peak",
    about="How many people were in voice at the same time at most? Plan events for more than this.",
    view=Stat(),
    queries=(Prom(promql.peak("voice_members"), instant=True),),
    colour=Colour.VOICE,
    decimals=0,
    empty="No one in voice in this range",
)
HOURS = Panel(
    slug="hours",
    title="Active voice time",
    about="How many hours did people spend active in voice, in total, compared with the previous "
    "period? Time alone, muted, deafened or AFK is excluded.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.compared("voice_seconds", only=_ACTIVE, divisor=3600)),),
    lite=(Prom(promql.compared("voice_seconds", 'state="active"', divisor=3600), instant=True, rows=True),),
    unit=Unit.HOURS,
    decimals=0,
    colour=Colour.VOICE,
    empty="No active voice time",
)
SPEAKERS = parts.count(
    "speakers",
    "People in voice",
    "How many different people were in voice, compared with the previous days? If hours rise while "
    "this number falls, fewer people stay longer.",
    activity.speakers,
    trend=Trend.UP,
    colour=Colour.VOICE,
    empty="No one in voice",
)
AFK = parts.count(
    "afk",
    "AFK time",
    "How much time did people spend in the AFK channel, compared with the previous days? It does not "
    "count as activity. A shorter AFK timeout reduces idle time in other channels.",
    activity.afk,
    trend=Trend.NEITHER,
    unit=Unit.SECONDS,
    colour=Colour.OTHER,
    empty="No AFK time",
)
LENGTH = Panel(
    slug="length",
    title="Mean session",
    about="How long is a voice session on average, compared with the previous period? A few minutes "
    "mean that people join, find no one and leave.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.mean_compared("voice_session_seconds", "voice_sessions")),),
    lite=(Prom(promql.mean_compared("voice_session_seconds", "voice_sessions"), instant=True, rows=True),),
    unit=Unit.SECONDS,
    decimals=0,
    colour=Colour.VOICE,
    empty="No sessions ended",
)
MEMBERS = Panel(
    slug="members",
    title="People in voice",
    about="When are people in voice? Peaks at the same hour each day are good times for events.",
    view=Series(fill=30, legend=False),
    queries=(Prom(promql.state("voice_members"), "In voice"),),
    colour=Colour.VOICE,
    decimals=0,
    empty="No one in voice in this range",
)
STATES = Panel(
    slug="states",
    title="Voice time by state",
    about="How is voice time distributed over states? Much AFK or deafened time means that people stay "
    "connected without taking part; much time alone means that people wait for others.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("voice_seconds", by="state")),),
    lite=(Prom(promql.counted("voice_seconds", by="state"), "{{state}}"),),
    label="${__field.labels.state}",
    unit=Unit.SECONDS,
    colours=VOICE_STATES,
    step="1h",
    empty="No one in voice in this range",
)
CHANNELS = parts.ranking(
    "channels",
    "Top voice channels",
    "Which voice channels are used most? Channels that never appear can be deleted.",
    activity.top_channels("voice_seconds", "Time", limit=12),
    of="channel",
    header="Time",
    colour=Colour.VOICE,
    unit=Unit.SECONDS,
    empty="No one in voice in this range",
)
PEOPLE = parts.ranking(
    "people",
    "Top members in voice",
    "Who spends the most time in voice? If one member has most of it, voice activity depends on that member.",
    activity.top_members("voice_seconds", "Time", limit=12),
    of="member",
    header="Time",
    colour=Colour.VOICE,
    unit=Unit.SECONDS,
    empty="No one in voice in this range",
)
MOVES = Panel(
    slug="moves",
    title="Voice joins, leaves and moves",
    about="How often do people join, leave and move between voice channels? Many joins with short "
    "sessions mean that people find no one; many moves at once come from a moderator.",
    view=Series(),
    queries=(
        Prom(promql.counted("voice_joins"), "joined"),
        Prom(promql.counted("voice_sessions"), "left"),
        Prom(promql.counted("voice_moves"), "moved"),
    ),
    colours={"joined": Colour.GOOD, "left": Colour.MILD, "moved": Colour.VOICE_LIGHT},
    step="1h",
    decimals=0,
    empty="No joins, leaves or moves",
)
LENGTHS = Panel(
    slug="lengths",
    title="Mean session length over time",
    about="Do voice sessions become longer or shorter? A lasting fall means that fewer people find "
    "someone to speak to.",
    view=Series(legend=False),
    queries=(
        Prom(
            f"{promql.counted('voice_session_seconds')} / ({promql.counted('voice_sessions')} > 0)",
            "Mean session",
        ),
    ),
    unit=Unit.SECONDS,
    colour=Colour.VOICE_LIGHT,
    step="6h",
    empty="No sessions ended",
)

SHOWN = Panel(
    slug="shown",
    title="Streams and cameras",
    about="How much time do people stream or use a camera, in total? Zero in an active server can "
    "indicate a missing permission (Video).",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("voice_stream_seconds"), "streaming"),
        Prom(promql.counted("voice_video_seconds"), "camera on"),
    ),
    unit=Unit.SECONDS,
    colours={"streaming": Colour.VOICE, "camera on": Colour.VOICE_LIGHT},
    step="1h",
    empty="No streams or cameras in this range",
)
SWITCHES = Panel(
    slug="switches",
    title="Streams, cameras, mutes and deafens",
    about="How often do people start a stream, turn on a camera, or mute or deafen themselves? People "
    "who deafen themselves do not take part.",
    view=Series(),
    queries=tuple(
        Prom(promql.counted(measure, promql.switched_on(measure)), name)
        for measure, name in (
            ("voice_streams", "stream"),
            ("voice_videos", "camera"),
            ("voice_self_mutes", "muted themselves"),
            ("voice_self_deafens", "deafened themselves"),
        )
    ),
    colours={
        "stream": Colour.VOICE,
        "camera": Colour.VOICE_LIGHT,
        "muted themselves": Colour.MILD,
        "deafened themselves": Colour.WARN,
    },
    step="1h",
    decimals=0,
    empty="No changes",
)
IDLERS = parts.ranking(
    "idlers",
    "Top members in the AFK channel",
    "Who spends the most time in the AFK channel? This time counts in no other ranking. Days of AFK "
    "time indicate a client that is never closed.",
    activity.top_members("afk_voice_seconds", "AFK", limit=12),
    of="member",
    header="AFK",
    colour=Colour.OTHER,
    unit=Unit.SECONDS,
    empty="No AFK time in this range",
)

PAGE = Page(
    uid=parts.VOICE,
    title="Voice",
    about="Who is in voice, in which channels, when, and for how long?",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD,),
    annotations=parts.MARKS,
    sections=(
        Section(
            "",
            (
                Band(4, (NOW, PEAK, HOURS, SPEAKERS, LENGTH, AFK)),
                Band(8, (MEMBERS, STATES)),
                Band(10, (CHANNELS, PEOPLE)),
            ),
        ),
        Section(
            "Time and session length",
            (
                Band(
                    9,
                    (
                        week_heatmap(
                            "when",
                            "voice_seconds",
                            _ACTIVE,
                            'state="active"',
                            noun="Active voice time",
                            colour=Colour.VOICE,
                            unit=Unit.SECONDS,
                        ),
                    ),
                ),
                Band(8, (MOVES, LENGTHS)),
            ),
        ),
        Section("Streams, cameras and AFK", (Band(9, (SHOWN, SWITCHES, IDLERS)),)),
    ),
)
