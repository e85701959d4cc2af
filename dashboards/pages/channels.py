"""Activity by channel of one server."""

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
    title="Active and inactive channels",
    about=f"How many channels are in use? Inactive means no activity for {activity.INACTIVE_DAYS} days. If "
    "more channels are inactive than active, archive some.",
    view=Stat(names=True),
    queries=(Sql(activity.channel_states),),
    columns=(
        Column("Active", steps=(Step(Colour.GOOD),)),
        Column("Inactive", steps=(Step(Colour.CALM), Step(Colour.MILD, 5), Step(Colour.WARN, 20))),
    ),
    steps=(Step(Colour.PLAIN),),
    empty="No channels known",
    width=2,
)
WRITTEN = parts.count(
    "written",
    "Messages",
    "How many messages were sent in the selected channels, compared with the previous days? If one "
    "channel falls and another rises, conversations moved; if all fall, activity is declining.",
    activity.channel_total("messages"),
    trend=Trend.UP,
    colour=Colour.MESSAGE,
)
VOICE_TIME = parts.count(
    "talked",
    "Time in voice",
    "How many hours did people spend in the selected voice channels, compared with the previous days? "
    "A lasting fall means that regular participants stopped coming.",
    activity.channel_total("voice_seconds", divisor=3600),
    trend=Trend.UP,
    unit=Unit.HOURS,
    colour=Colour.VOICE,
)
REACTED = parts.count(
    "reacted",
    "Reactions",
    "How many reactions were added in the selected channels, compared with the previous days? Fewer "
    "reactions for the same number of messages indicate fewer readers.",
    activity.channel_total("reactions"),
    trend=Trend.UP,
    colour=Colour.REACTION,
)
REMOVED = parts.count(
    "removed",
    "Messages deleted",
    "How many messages were deleted in the selected channels, compared with the previous days? A "
    "sudden rise indicates a conflict or spam.",
    activity.channel_total("message_deletes"),
    trend=Trend.DOWN,
    colour=Colour.MILD,
)
TABLE = Panel(
    slug="table",
    title="All channels",
    about="Which channels grow and which decline? Red marks a fall of a fifth or more compared with "
    "the previous month. Click a name to select only that channel.",
    view=Rows(
        (
            *parts.hidden("channel_id", "url"),
            Column("Channel", links=parts.CHANNEL_LINKS),
            Column("Kind", width=110),
            Column("Messages 7 d", width=130),
            Column("Messages 30 d", bar=True, steps=(Step(Colour.MESSAGE),)),
            Column("Month change", Unit.PERCENT, width=140, steps=parts.CHANGE, decimals=0),
            Column("Voice 30 d", Unit.SECONDS, bar=True, steps=(Step(Colour.VOICE),)),
            Column(
                "Inactive for",
                Unit.DAYS,
                width=110,
                steps=(Step(Colour.PLAIN), Step(Colour.MILD, 7), Step(Colour.WARN, activity.INACTIVE_DAYS)),
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
    about="Which channels do people write in, day by day? If one channel replaces another, consider "
    "merging them.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("messages"), series=True),),
    label="${__field.labels.channel}",
    step="1d",
    empty="No messages in these channels",
)
VOICE_BY_DAY = Panel(
    slug="voice-by-day",
    title="Time in voice by channel and day",
    about="Which voice channels do people use, and on which days? A channel that is unused for weeks "
    "can be deleted.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("voice_seconds"), series=True),),
    label="${__field.labels.channel}",
    unit=Unit.SECONDS,
    step="1d",
    empty="No voice time in these channels",
)
CHANGED = Panel(
    slug="changed",
    title="Messages edited and deleted",
    about="How many messages are edited or deleted? Deletions that rise together with messages "
    "indicate spam; without more messages they indicate moderation of a conflict.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.edits_and_deletions, series=True),),
    colours={"Edited": Colour.MESSAGE_LIGHT, "Deleted": Colour.MILD},
    step="1d",
    empty="No messages edited or deleted",
)
REACTIONS = Panel(
    slug="reactions-by-day",
    title="Reactions by channel and day",
    about="In which channels do people react to each other? Many messages without reactions indicate a "
    "channel with few readers.",
    view=Series(bars=True, stacked=True),
    queries=(Sql(activity.channel_days("reactions"), series=True),),
    label="${__field.labels.channel}",
    step="1d",
    empty="No reactions in these channels",
)
LIVE = Panel(
    slug="live",
    title="Most active channels, live",
    about="Which channels have the most messages now? Channels are shown by id; all but the most "
    "active are summed as other. The lite variant needs sinks.prometheus.channels in the "
    "configuration.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("messages", by="channel_id", only=("author", "human"))),),
    lite=(Prom(promql.channels("messages"), "{{channel_id}}"),),
    label="${__field.labels.channel_id}",
    links=(
        Link("Open in Discord", f"{parts.DISCORD}/${{guild}}/${{__field.labels.channel_id}}", outside=True),
    ),
    step="15m",
    decimals=0,
    empty="No messages, or sinks.prometheus.channels is disabled",
)
LIVE_VOICE = Panel(
    slug="live-voice",
    title="Most active voice channels, live",
    about="Which voice channels are used now? Channels are shown by id. The lite variant needs "
    "sinks.prometheus.channels in the configuration.",
    view=Series(bars=True, stacked=True),
    queries=(Flux(flux.counted("voice_seconds", by="channel_id")),),
    lite=(Prom(promql.channels("voice_seconds"), "{{channel_id}}"),),
    label="${__field.labels.channel_id}",
    unit=Unit.SECONDS,
    step="15m",
    empty="No voice time, or sinks.prometheus.channels is disabled",
)
AUTHORS_PANEL = Panel(
    slug="authors",
    title="Messages by author type",
    about="How many messages come from people, bots and webhooks? If bots and webhooks send more than "
    "people, move them to a channel of their own.",
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
    title="Message edits, live",
    about="How many messages are edited now? A sudden rise indicates a member who edits old messages "
    "in bulk, or a faulty bot.",
    view=Series(bars=True, legend=False),
    queries=(Prom(promql.counted("message_edits"), "Edited"),),
    colour=Colour.MESSAGE_LIGHT,
    step="1h",
    decimals=0,
    empty="No messages edited",
)

PAGE = Page(
    uid=parts.CHANNELS,
    title="Channels",
    about="Which channels are active, which decline, and what happens in each? Select channels above.",
    folder=Folder.COMMUNITY,
    variables=(parts.GUILD, parts.CHANNEL),
    annotations=parts.MARKS,
    since="30d",
    sections=(
        Section(
            "",
            (
                Band(4, (STATES, WRITTEN, VOICE_TIME, REACTED, REMOVED)),
                Band(9, (BY_DAY, VOICE_BY_DAY)),
                Band(12, (TABLE,)),
            ),
        ),
        Section("Selected channels", (Band(8, (REACTIONS, CHANGED)),)),
        Section("All channels, live", (Band(8, (LIVE, LIVE_VOICE)), Band(8, (AUTHORS_PANEL, EDITS)))),
    ),
)
