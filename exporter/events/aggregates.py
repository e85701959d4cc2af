"""Aggregates: the windows of counted facts, as entries.

A snapshot holds deltas: what happened in its window and no other entry says again. A fact that arrives late
makes a second, small snapshot of the same window, so sums are right however late it was. So does a guild too
busy for one entry: tops and ``unique_users`` then speak of their own part only.

Data of METRICS_SNAPSHOT (``period_start``/``period_end`` in ms, ``period_duration`` in s)::

    series        [[measure, label value, channel id, emoji, amount], …]   all there is, members summed up
    members       [[measure, label value, user id, amount], …]             the same amounts by member
    gauges        {gauge: value}                                           at the end of the window
    unique_users  members active by message, voice or reaction given
    sessions      {count, average_seconds}                                 voice sessions that ended
    peak_voice    most members in voice at once; by_channel: {channel id: peak}
    top_channels, top_emojis, top_members                                  bounded, with names where known

Data of MEMBER_ACTIVITY_SNAPSHOT::

    members       [[user id, name, first seen ms, last seen ms, is new,
                    [[measure, label value, channel id, amount], …]], …]

Amounts are integers in the measure's own step (voice: milliseconds); ids are integers.
"""

from __future__ import annotations

from exporter.events.spec import EventSpec, Family, Field
from exporter.model import Priority

METRICS_SNAPSHOT = "METRICS_SNAPSHOT"
MEMBER_ACTIVITY_SNAPSHOT = "MEMBER_ACTIVITY_SNAPSHOT"

_PERIOD = (
    Field("period_start", "Start of the window, ms since the epoch."),
    Field("period_end", "End of the window, ms since the epoch."),
    Field("period_duration", "Length of the window in seconds."),
)

FAMILY = Family(
    "aggregates",
    "What was counted, window by window.",
    (
        EventSpec(
            type=METRICS_SNAPSHOT,
            family="aggregates",
            help="A guild's activity in one window, by channel, emoji and member.",
            priority=Priority.SLOW,
            table="metrics_snapshots",
            fields=(
                *_PERIOD,
                Field("series", "Deltas: measure, label value, channel, emoji, amount."),
                Field("members", "Deltas by member: measure, label value, user, amount.", personal=True),
                Field("gauges", "States at the end of the window."),
                Field("unique_users", "Members who were active."),
                Field("sessions", "Voice sessions that ended: count and average length."),
                Field("peak_voice", "Most members in voice at once, in all and by channel."),
                Field("top_channels", "The most active channels, with names."),
                Field("top_emojis", "The most used emojis."),
                Field("top_members", "The most active members, with names and score.", personal=True),
            ),
        ),
        EventSpec(
            type=MEMBER_ACTIVITY_SNAPSHOT,
            family="aggregates",
            help="Every active member's activity in one window.",
            priority=Priority.SLOW,
            table="member_daily",
            fields=(
                *_PERIOD,
                Field("members", "Per member: name, first and last seen, deltas.", personal=True),
            ),
        ),
    ),
)
