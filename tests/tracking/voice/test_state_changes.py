"""What is made of two states of one member: their own switches, and a moderator's orders."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from exporter.aggregation.config import MetricsConfig
from exporter.checkpoint.config import BatchingConfig
from exporter.clock import ManualClock
from exporter.events.catalogue import full_catalogue
from exporter.events.facts.guilds import GuildUpdated, GuildUpserted, VoiceState
from exporter.events.facts.moderation import AuditEntry
from exporter.events.voice import SELF_DEAFENS, SELF_MUTES, STREAMS, VIDEOS
from exporter.pipeline import Pipeline
from exporter.screen.config import PrivacyConfig
from exporter.telemetry import Telemetry
from exporter.tracking.voice.state_changes import ordered, switched
from tests.entry_data import fields_of

GUILD, ANN, MOD = 1 << 22, 5, 9


def state(channel: int = 10, at: int = 1000, **flags: bool) -> VoiceState:
    return VoiceState(GUILD, ANN, channel, at, **flags)


@pytest.mark.parametrize(
    ("flag", "measure"),
    [("self_mute", SELF_MUTES), ("self_deaf", SELF_DEAFENS), ("stream", STREAMS), ("video", VIDEOS)],
)
def test_a_switch_is_counted_on_and_off(flag: str, measure: Any) -> None:
    off, on = state(), state(**{flag: True})
    assert [count.series for count in switched(off, on)] == [measure["on"]]
    assert [count.series for count in switched(on, off)] == [measure["off"]]
    assert not list(switched(on, on))


def test_who_leaves_ends_what_they_show_and_stays_muted() -> None:
    shown = state(self_mute=True, stream=True, video=True)
    gone = state(0)
    assert {count.series for count in switched(shown, gone)} == {STREAMS["off"], VIDEOS["off"]}


def test_a_bots_switches_are_not_counted() -> None:
    assert not list(switched(state(bot=True), state(bot=True, self_mute=True)))


@pytest.mark.parametrize(
    ("before", "after", "action"),
    [
        ({}, {"mute": True}, "voice_mute"),
        ({"mute": True}, {}, "voice_unmute"),
        ({}, {"deaf": True}, "voice_deafen"),
        ({"deaf": True}, {}, "voice_undeafen"),
    ],
)
def test_what_a_moderator_switches_is_an_action(
    before: dict[str, bool], after: dict[str, bool], action: str
) -> None:
    (found,) = ordered(state(**before), state(at=2000, **after))
    assert (found.action, found.type, found.target.user_id, found.at) == (action, action.upper(), ANN, 2000)


def test_two_orders_at_once_are_one_action() -> None:
    (found,) = ordered(state(), state(mute=True, deaf=True))
    assert (found.action, found.data) == ("voice_mute", {"also": ["voice_deafen"]})


def test_a_move_keeps_orders_and_leaving_lifts_none() -> None:
    assert not list(ordered(state(mute=True), state(11, mute=True)))
    assert not list(ordered(state(mute=True), state(0)))


@dataclasses.dataclass
class Stage:
    """The whole stage over a spool that keeps what it is given."""

    blind: bool = False

    def __post_init__(self) -> None:
        self.clock = ManualClock(1_760_000_000_000)
        self.source = "stage"
        self.rows: dict[str, dict[str, Any]] = {}
        self.types: dict[str, str] = {}
        self.pipeline = Pipeline(
            full_catalogue(),
            MetricsConfig(),
            BatchingConfig(),
            PrivacyConfig(),
            self,  # type: ignore[arg-type]  # the one method that is used
            self.clock,
            Telemetry(),
        )

    async def append(self, entries: Any, **_: object) -> tuple[int, ...]:
        for entry in entries:
            if "action" in fields_of(entry) or entry.amends:
                known = self.rows.setdefault(entry.key, {})
                known.update({name: value for name, value in fields_of(entry).items() if value is not None})
                self.types[entry.key] = entry.type
        return ()

    def speak(self, **flags: bool) -> None:
        self.pipeline._dispatcher.dispatch(state(at=self.clock.now_ms(), **flags))

    def audit(self, action: str, entry_id: int) -> None:
        entry = AuditEntry(GUILD, entry_id, self.clock.now_ms(), 24, MOD, ANN, "loud", action=action)
        self.tell(entry)

    def tell(self, entry: AuditEntry) -> None:
        self.pipeline._dispatcher.dispatch(entry)

    async def log(self) -> list[tuple[str, str, int | None, str | None]]:
        await self.pipeline.checkpoint.drain()
        return [
            (self.types[key], row["action"], row.get("moderator_id"), row.get("reason"))
            for key, row in self.rows.items()
        ]


@pytest.mark.parametrize("first", ["state", "entry"])
async def test_an_order_is_one_row_whichever_tells_of_it_first(first: str) -> None:
    stage = Stage()
    stage.speak()
    for number, (action, flags) in enumerate(
        (("voice_mute", {"mute": True}), ("voice_unmute", {}), ("voice_mute", {"mute": True}))
    ):
        stage.clock.advance(1)
        if first == "entry":
            stage.audit(action, 900 + number)
        stage.speak(**flags)
        if first == "state":
            stage.audit(action, 900 + number)
    assert await stage.log() == [
        ("VOICE_MUTE", "voice_mute", MOD, "loud"),
        ("VOICE_UNMUTE", "voice_unmute", MOD, "loud"),
        ("VOICE_MUTE", "voice_mute", MOD, "loud"),
    ]
    assert sorted(row["audit_entry_id"] for row in stage.rows.values()) == [900, 901, 902]


async def test_an_order_whose_entry_never_comes_has_no_actor() -> None:
    stage = Stage()
    stage.speak()
    stage.speak(deaf=True)
    assert await stage.log() == [("VOICE_DEAFEN", "voice_deafen", None, None)]


async def test_entries_that_come_late_find_their_own_order() -> None:
    stage = Stage()
    stage.tell(AuditEntry(GUILD, 1, 0, 24, MOD, ANN, None))  # from here on the log is read
    stage.speak()
    moments = []
    for flags in ({"mute": True}, {}, {"mute": True}, {}):
        stage.clock.advance(1)
        stage.speak(**flags)
        moments.append(stage.clock.now_ms())
    for number in (3, 0, 2, 1):
        action = "voice_unmute" if number % 2 else "voice_mute"
        entry = AuditEntry(GUILD, 900 + number, moments[number], 24, MOD + number, ANN, None, action=action)
        stage.tell(entry)
    assert [moderator for _, _, moderator, _ in await stage.log()] == [MOD, MOD + 1, MOD + 2, MOD + 3]


async def test_an_entry_received_before_its_order_is_not_that_of_one_already_lifted() -> None:
    stage = Stage()
    stage.speak()
    stage.speak(mute=True)
    stage.clock.advance(2)
    stage.speak()
    stage.clock.advance(2)
    stage.audit("voice_mute", 902)
    stage.speak(mute=True)
    assert [moderator for _, _, moderator, _ in await stage.log()] == [None, None, MOD]


async def test_time_before_a_channel_became_the_afk_channel_was_no_absence() -> None:
    stage = Stage()
    now = stage.clock.now_ms()
    seen = GuildUpserted(GUILD, now, "g", None, MOD, (), 0, 0, 0, 2, 0, (), (state(at=now),))
    stage.pipeline._dispatcher.dispatch(seen)
    stage.clock.advance(30)
    change = GuildUpdated(GUILD, stage.clock.now_ms(), "g", None, MOD, (), 0, 0, afk_channel_id=10)
    stage.pipeline._dispatcher.dispatch(change)
    stage.clock.advance(20)
    stage.pipeline.refresh()
    assert stage.pipeline.totals("voice_seconds", "alone") == {GUILD: 30_000}
    assert stage.pipeline.totals("voice_seconds", "afk") == {GUILD: 20_000}


async def test_a_state_that_was_in_doubt_tells_of_no_order() -> None:
    stage = Stage()
    stage.speak()
    stage.pipeline.voice.doubt([GUILD])
    stage.speak(mute=True)
    assert await stage.log() == []
