"""Which channels live, which are dying, and what goes on in one?"""

from __future__ import annotations

from dashboards.model import (
    Band,
    Column,
    Flux,
    Folder,
    Link,
    Page,
    Panel,
    Prom,
    Rows,
    Section,
    Series,
    Sql,
    Stat,
    Step,
    Trend,
)
from dashboards.pages import parts
from dashboards.queries import activity, flux, promql
from dashboards.style import AUTHORS, Colour, Unit

STATES = Panel(
    slug="states",
    title="Channels in use, and quiet",
    about=f"Is the server too large for its talk? Quiet means unused for {activity.QUIET_DAYS} days. More "
    f"quiet channels than used ones scatter people: archive some.",
    view=Stat(names=True),
    queries=(Sql(activity.channel_states),),
    columns=(
        Column("In use", steps=(Step(Colour.GOOD),)),
        Column("Quiet", steps=(Step(Colour.CALM), Step(Colour.MILD, 5), Step(Colour.WARN, 20))),
    ),
    steps=(Step(Colour.PLAIN),),
    empty="No channels known",
    width=2,
)
WRITTEN = parts.count(
    "written",
    "Messages",
    "How much was written in the chosen channels, against the days before? A fall in one and a rise in "
    "another is talk that moved; a fall in all is a server going quiet.",
    activity.channel_total("messages"),
    trend=Trend.UP,
    colour=Colour.TALK,
)
TALKED = parts.count(
    "talked",
    "Time in voice",
    "How much time was spent in the chosen voice channels, against the days before? A lasting fall means "
    "that regulars stopped coming: ask them.",
    activity.channel_total("voice_seconds", divisor=3600),
    trend=Trend.UP,
    unit=Unit.HOURS,
    colour=Colour.VOICE,
)
REACTED = parts.count(
    "reacted",
    "Reactions",
    "How much did people react in the chosen channels, against the days before? Fewer reactions on as many "
    "messages means that fewer people read them.",
    activity.channel_total("reactions"),
    trend=Trend.UP,
    colour=Colour.REACTION,
)
REMOVED = parts.count(
    "removed",
    "Messages deleted",
    "How much was deleted in the chosen channels, against the days before? A jump is a quarrel or spam.",
    activity.channel_total("message_deletes"),
    trend=Trend.DOWN,
    colour=Colour.MILD,
)
TABLE = Panel(
    slug="table",
    title="All channels",
    about="Which channels grow and which die? Red has lost a fifth or more against the month before. Click a "
    "name to see only that channel on this page.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Kind", width=110),
            Column("Messages 7 d", width=130),
            Column("Messages 30 d", bar=True, steps=(Step(Colour.TALK),)),
            Column("Month change", Unit.PERCENT, width=140, steps=parts.CHANGE, decimals=0),
            Column("Voice 30 d", Unit.SECONDS, bar=True, steps=(Step(Colour.VOICE),)),
            Column(
                "Quiet for",
                Unit.DAYS,
                width=100,
                steps=(Step(Colour.PLAIN), Step(Colour.MILD, 7), Step(Colour.WARN, activity.QUIET_DAYS)),
            ),
        ),
        tall=True,
    ),
    queries=(Sql(activity.channel_table),),
    empty="No channels known",
)
BY_DAY = Panel(
    slug="by-day",
    title="Messages by channel and day",
    about="Where does talk move to? A channel that takes over another's is a sign to merge them.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("messages"), series=True),),
    label="${__field.labels.channel}",
    step="1d",
    empty="No messages in these channels",
)
VOICE_BY_DAY = Panel(
    slug="voice-by-day",
    title="Time in voice by channel and day",
    about="Which rooms do people use, and on which days? One that is missing for weeks can go.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("voice_seconds"), series=True),),
    label="${__field.labels.channel}",
    unit=Unit.SECONDS,
    step="1d",
    empty="Nobody was in these channels",
)
CHANGED = Panel(
    slug="changed",
    title="Edited and deleted",
    about="How much is taken back or changed? Deletions that rise with messages are spam; without them, a "
    "quarrel being tidied.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.edits_and_deletions, series=True),),
    colours={"Edited": Colour.TALK_LIGHT, "Deleted": Colour.MILD},
    step="1d",
    empty="Nothing was edited or deleted",
)
REACTIONS = Panel(
    slug="reactions-by-day",
    title="Reactions by channel and day",
    about="Where do people answer each other? Many messages and no reactions is a channel nobody reads.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("reactions"), series=True),),
    label="${__field.labels.channel}",
    step="1d",
    empty="No reactions in these channels",
)
LIVE = Panel(
    slug="live",
    title="Busiest channels as it happens",
    about="Where is something going on now? By id; the busiest only, the rest is other. The lite variant "
    "needs sinks.prometheus.channels in the configuration.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("messages", by="channel_id", only=("author", "human"))),),
    lite=(Prom(promql.channels("messages"), "{{channel_id}}"),),
    label="${__field.labels.channel_id}",
    links=(
        Link("Open in Discord", f"{parts.DISCORD}/${{guild}}/${{__field.labels.channel_id}}", outside=True),
    ),
    step="15m",
    decimals=0,
    empty="Nothing, or sinks.prometheus.channels is off",
)
LIVE_VOICE = Panel(
    slug="live-voice",
    title="Busiest voice channels as it happens",
    about="Where do people talk now? By id. The lite variant needs sinks.prometheus.channels in the "
    "configuration.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("voice_seconds", by="channel_id")),),
    lite=(Prom(promql.channels("voice_seconds"), "{{channel_id}}"),),
    label="${__field.labels.channel_id}",
    unit=Unit.SECONDS,
    step="15m",
    empty="Nothing, or sinks.prometheus.channels is off",
)
AUTHORS_PANEL = Panel(
    slug="authors",
    title="People and machines",
    about="Who fills the channels? More by bots and webhooks than by people drowns the talk: give them a "
    "channel of their own.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("messages", by="author")),),
    lite=(Prom(promql.counted("messages", by="author"), "{{author}}"),),
    label="${__field.labels.author}",
    colours=AUTHORS,
    step="6h",
    decimals=0,
    empty="No messages in this range",
)
EDITS = Panel(
    slug="edits",
    title="Edits as they happen",
    about="Is somebody changing what was said? A burst is somebody cleaning up after themselves, or a bot "
    "gone wild.",
    view=Series(bars=True, legend=False),
    queries=(Prom(promql.counted("message_edits"), "Edited"),),
    colour=Colour.TALK_LIGHT,
    step="1h",
    decimals=0,
    empty="Nothing was edited",
)

PAGE = Page(
    uid=parts.CHANNELS,
    title="Channels",
    about="Which channels live, which are dying, and what goes on in one? Choose channels above.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.CHANNEL),
    annotations=parts.MARKS,
    since="30d",
    sections=(
        Section(
            "",
            (
                Band(4, (STATES, WRITTEN, TALKED, REACTED, REMOVED)),
                Band(9, (BY_DAY, VOICE_BY_DAY)),
                Band(12, (TABLE,)),
            ),
        ),
        Section("In the chosen channels", (Band(8, (REACTIONS, CHANGED)),)),
        Section("The whole server, live", (Band(8, (LIVE, LIVE_VOICE)), Band(8, (AUTHORS_PANEL, EDITS)))),
    ),
)
