"""Who talks, where, when and how long?"""

from __future__ import annotations

from dashboards.model import Band, Flux, Folder, Page, Panel, Prom, Section, Series, Stat, Trend
from dashboards.pages import parts
from dashboards.pages.heatmap import week
from dashboards.queries import activity, flux, promql
from dashboards.style import VOICE_STATES, Colour, Unit

_ACTIVE = ("state", "active")

NOW = Panel(
    slug="now",
    title="In voice now",
    about="How many people are in voice at this moment, bots apart? Nobody at a busy hour may be a broken "
    "region.",
    view=Stat(sparkline=True),
    queries=(Prom(promql.state("voice_members")),),
    colour=Colour.VOICE,
    empty="Nobody",
)
PEAK = Panel(
    slug="peak",
    title="Most at once",
    about="How many were in voice together at most? Plan events for more than this.",
    view=Stat(),
    queries=(Prom(promql.peak("voice_members"), instant=True),),
    colour=Colour.VOICE,
    decimals=0,
    empty="Nobody in this range",
)
HOURS = Panel(
    slug="hours",
    title="Time talked",
    about="How much time did people spend talking, added up, against the period before? Alone, muted, "
    "deafened and AFK time is left out.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.compared("voice_seconds", only=_ACTIVE, divisor=3600)),),
    lite=(Prom(promql.compared("voice_seconds", 'state="active"', divisor=3600), instant=True, rows=True),),
    unit=Unit.HOURS,
    decimals=0,
    colour=Colour.VOICE,
    empty="Nobody talked",
)
SPEAKERS = parts.count(
    "speakers",
    "People in voice",
    "How many different people were in voice, against the days before? Hours that rise while this falls are "
    "the same few people staying longer.",
    activity.speakers,
    trend=Trend.UP,
    colour=Colour.VOICE,
    empty="Nobody",
)
AFK = parts.count(
    "afk",
    "Time in AFK",
    "How much time did people spend in the AFK channel, against the days before? It counts as activity "
    "nowhere. Much of it is people who leave Discord open: a shorter AFK timeout keeps channels honest.",
    activity.afk,
    trend=Trend.NEITHER,
    unit=Unit.SECONDS,
    colour=Colour.REST,
    empty="Nobody",
)
LENGTH = Panel(
    slug="length",
    title="Mean session",
    about="How long does somebody stay, against the period before? Minutes mean that people look in and find "
    "nobody; an event evening makes hours.",
    view=Stat(trend=Trend.UP),
    queries=(Flux(flux.mean_compared("voice_session_seconds", "voice_sessions")),),
    lite=(Prom(promql.mean_compared("voice_session_seconds", "voice_sessions"), instant=True, rows=True),),
    unit=Unit.SECONDS,
    decimals=0,
    colour=Colour.VOICE,
    empty="No session ended",
)
MEMBERS = Panel(
    slug="members",
    title="People in voice",
    about="When is voice alive? Peaks at the same hour each day are where an event finds its audience.",
    view=Series(fill=30, legend=False),
    queries=(Prom(promql.state("voice_members"), "In voice"),),
    colour=Colour.VOICE,
    decimals=0,
    empty="Nobody in this range",
)
STATES = Panel(
    slug="states",
    title="What the time was spent as",
    about="Is it talk, or people who forgot to leave? Much AFK and deafened time flatters every other "
    "number; much time alone is people who wait for somebody.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("voice_seconds", by="state")),),
    lite=(Prom(promql.counted("voice_seconds", by="state"), "{{state}}"),),
    label="${__field.labels.state}",
    unit=Unit.SECONDS,
    colours=VOICE_STATES,
    step="1h",
    empty="Nobody in this range",
)
CHANNELS = parts.ranking(
    "channels",
    "Which channels",
    "Where do people meet? Channels that never appear can go.",
    activity.top_channels("voice_seconds", "Time", limit=12),
    of="channel",
    header="Time",
    colour=Colour.VOICE,
    unit=Unit.SECONDS,
    empty="Nobody in this range",
)
PEOPLE = parts.ranking(
    "people",
    "Who",
    "Who keeps voice alive? If it is one name, voice falls silent on the day that member is away.",
    activity.top_members("voice_seconds", "Time", limit=12),
    of="member",
    header="Time",
    colour=Colour.VOICE,
    unit=Unit.SECONDS,
    empty="Nobody in this range",
)
MOVES = Panel(
    slug="moves",
    title="Comings, goings and moves",
    about="Is there much coming and going? Many entries with short sessions are people who look in; a "
    "burst of moves is a moderator sorting people, or somebody playing with the channels.",
    view=Series(),
    queries=(
        Prom(promql.counted("voice_joins"), "entered"),
        Prom(promql.counted("voice_sessions"), "left"),
        Prom(promql.counted("voice_moves"), "moved"),
    ),
    colours={"entered": Colour.GOOD, "left": Colour.MILD, "moved": Colour.VOICE_LIGHT},
    step="1h",
    decimals=0,
    empty="Nobody moved",
)
LENGTHS = Panel(
    slug="lengths",
    title="Mean length of sessions that ended",
    about="Do people stay longer or shorter than they used to? A lasting fall means that fewer find somebody "
    "to talk to.",
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
    empty="No session ended",
)

SHOWN = Panel(
    slug="shown",
    title="Screens and cameras",
    about="How much is shown, in time added up over people? Streams are people playing or watching together; "
    "cameras are meetings. None at all in a busy server may be a missing permission (Video).",
    view=Series(bars=True),
    queries=(
        Prom(promql.counted("voice_stream_seconds"), "streaming"),
        Prom(promql.counted("voice_video_seconds"), "camera on"),
    ),
    unit=Unit.SECONDS,
    colours={"streaming": Colour.VOICE, "camera on": Colour.VOICE_LIGHT},
    step="1h",
    empty="Nothing was shown in this range",
)
SWITCHES = Panel(
    slug="switches",
    title="Switched on",
    about="How often do people begin to stream, turn the camera on, or mute or deafen themselves? Many "
    "who deafen themselves are there in name only.",
    view=Series(),
    queries=tuple(
        Prom(promql.counted(measure, promql.on(measure)), name)
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
    empty="Nobody switched anything",
)
IDLERS = parts.ranking(
    "idlers",
    "Longest in the AFK channel",
    "Who is there without being there? This time is in no other ranking. Somebody with days of it has a "
    "client that never closes.",
    activity.top_members("afk_voice_seconds", "AFK", limit=12),
    of="member",
    header="AFK",
    colour=Colour.REST,
    unit=Unit.SECONDS,
    empty="Nobody was AFK in this range",
)

PAGE = Page(
    uid=parts.VOICE,
    title="Voice",
    about="Who talks, where, when and how long?",
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
            "When, and how long",
            (
                Band(
                    9,
                    (
                        week(
                            "when",
                            "voice_seconds",
                            _ACTIVE,
                            'state="active"',
                            noun="Time talked",
                            colour=Colour.VOICE,
                            unit=Unit.SECONDS,
                        ),
                    ),
                ),
                Band(8, (MOVES, LENGTHS)),
            ),
        ),
        Section("What is shown, and who is away", (Band(9, (SHOWN, SWITCHES, IDLERS)),)),
    ),
)
