"""What is beyond the limits is summed up, and no counter ever falls."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from exporter.exposition.channels import ChannelTopK
from exporter.exposition.config import ExpositionConfig
from exporter.exposition.guilds import GuildText
from exporter.exposition.other_bucket import OtherBucket
from exporter.exposition.series_admission import SeriesAdmission
from exporter.exposition.text import TextFormat
from tests.exposition.held import CATALOGUE, Held, Sample, key, rendering, scrape
from tests.scale import scaled

PER_GUILD = sum(len(m.values) for m in CATALOGUE.measures.values() if m.metric) + len(CATALOGUE.gauges) + 1


def test_the_busiest_channels_are_shown_and_the_rest_is_other() -> None:
    amounts = {1: 5, 2: 50, 3: 500, 4: 1}
    assert dict(ChannelTopK(2).read(7, amounts)) == {"3": 500, "2": 50, "other": 6}


def test_a_channel_once_shown_stays_though_others_overtake_it() -> None:
    shown, amounts = ChannelTopK(1), {1: 5, 2: 4}
    assert dict(shown.read(7, amounts)) == {"1": 5, "other": 4}
    amounts[2] = 400
    assert dict(shown.read(7, amounts)) == {"1": 5, "other": 400}


def test_a_channel_that_is_gone_frees_its_place_and_its_successor_starts_at_zero() -> None:
    shown, amounts = ChannelTopK(1), {1: 5, 2: 4}
    dict(shown.read(7, amounts))
    del amounts[1]
    assert dict(shown.read(7, amounts)) == {"2": 0, "other": 4}
    amounts[2] = 10
    assert dict(shown.read(7, amounts)) == {"2": 6, "other": 4}


def test_a_channel_that_started_anew_is_not_negative() -> None:
    shown, amounts = ChannelTopK(1), {1: 5, 2: 4}
    dict(shown.read(7, amounts))
    del amounts[1]
    dict(shown.read(7, amounts))
    amounts[2] = 1
    assert dict(shown.read(7, amounts)) == {"2": 1, "other": 4}


def test_a_channel_that_comes_back_counts_from_its_start() -> None:
    shown = ChannelTopK(1)
    assert dict(shown.read(7, {1: 50, 2: 4})) == {"1": 50, "other": 4}
    assert dict(shown.read(7, {1: 50})) == {"1": 50, "other": 4}
    assert dict(shown.read(7, {1: 50, 2: 10})) == {"1": 50, "other": 14}


async def test_a_guild_that_comes_back_brings_nothing_of_its_channels_along() -> None:
    source = Held()
    by = rendering(source, channels=True, max_channels=1)

    def channels(found: dict[Sample, float]) -> dict[str, float]:
        return {
            dict(labels)["channel_id"]: amount
            for (name, labels), amount in found.items()
            if name == "discord_channel_messages_total"
        }

    for channel in (1, 2):
        source.add("messages", "human", 10, 5 + channel, channel=channel)
    assert channels(await scrape(by)) == {"2": 7, "other": 6}
    source.leave(10)
    assert channels(await scrape(by)) == {}
    source.add("messages", "human", 10, 9, channel=1)
    assert channels(await scrape(by)) == {"1": 9, "other": 0}


async def test_a_guild_the_bot_has_left_keeps_its_counters_but_neither_name_nor_states() -> None:
    source = Held()
    by = rendering(source)
    for guild in (10, 11):
        source.add("messages", "human", guild, guild)
        source.states.setdefault("members", {})[guild] = 3.0
    await scrape(by)

    def families(found: dict[Sample, float], guild: int) -> set[str]:
        return {name for name, labels in found if dict(labels).get("guild_id") == str(guild)}

    source.depart(10)
    source.add("messages", "human", 11, 1)
    found = await scrape(by)
    assert found[key("discord_messages_total", guild_id="10", author="human")] == 10
    assert families(found, 11) - families(found, 10) == {"discord_guild_info", "discord_guild_members"}
    source.depart(11)
    assert "discord_guild_info" not in {name for name, _ in await scrape(by)}
    source.leave(10)
    source.leave(11)
    assert families(await scrape(by), 10) == set()


async def test_a_guild_that_was_never_shown_is_not_shown_when_it_is_gone() -> None:
    source = Held()
    by = rendering(source)
    source.depart(10)
    source.add("messages", "human", 11, 1)
    assert {dict(labels).get("guild_id") for _, labels in await scrape(by)} <= {"11", None}


def test_a_guild_without_activity_has_no_channel_series() -> None:
    assert list(ChannelTopK(2).read(7, {})) == []


@given(
    st.integers(1, 4),
    st.lists(st.dictionaries(st.integers(1, 8), st.integers(1, 100), max_size=4), min_size=1, max_size=12),
)
def test_all_channels_together_are_the_guilds_total_and_none_ever_falls(
    limit: int, scrapes: list[dict[int, int]]
) -> None:
    shown = ChannelTopK(limit)
    amounts: Counter[int] = Counter()
    before: dict[str, int] = {}
    for added in scrapes:
        amounts.update(added)
        now = dict(shown.read(7, amounts))
        assert sum(now.values()) == amounts.total()
        assert len(now) <= limit + 1
        assert before.keys() <= now.keys()
        assert all(now[channel] >= amount for channel, amount in before.items())
        before = now


def test_a_fold_counts_one_that_started_anew_from_zero() -> None:
    fold = OtherBucket()
    fold.take([1], {1: 10})
    fold.take([1], {1: 3})
    assert fold.total == 13


def test_what_a_fold_forgot_stays_in_its_total() -> None:
    fold = OtherBucket()
    fold.take([1, 2], {1: 10, 2: 5})
    fold.keep({2})
    fold.take([2], {2: 6})
    assert fold.total == 16
    fold.take([1], {1: 4})
    assert fold.total == 20


class Guilds(RuleBasedStateMachine):
    """Guilds come, act and go; more of them than the limit admits."""

    def __init__(self) -> None:
        super().__init__()
        self.source = Held()
        self.text = GuildText(self.source, CATALOGUE, ExpositionConfig(max_series=1000))
        self.text.admission = SeriesAdmission(limit=2)
        self.last: dict[str, int] = {}
        self.counted = 0
        self.gone_unfolded = 0

    @rule(guild=st.integers(1, 6), amount=st.integers(1, 50))
    def act(self, guild: int, amount: int) -> None:
        self.source.add("messages", "human", guild, amount)
        self.counted += amount

    @precondition(lambda self: self.source.names)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        self.scrape()
        guild = data.draw(st.sampled_from(sorted(self.source.names)))
        if guild in self.text.admission:
            self.gone_unfolded += self.source.totals("messages", "human").get(guild, 0)
        self.source.leave(guild)

    @invariant()
    def scrape(self) -> None:
        head = 'discord_messages_total{guild_id="'
        now = {
            line.removeprefix(head).split('"')[0]: int(line.rsplit(" ", 1)[1])
            for piece in self.text.pieces(TextFormat.TEXT)
            for line in piece.splitlines()
            if line.startswith(head) and 'author="human"' in line
        }
        assert len(now.keys() - {"other"}) <= 2
        # A guild that left while shown took its series along; all else is still accounted for.
        assert sum(now.values()) == self.counted - self.gone_unfolded
        assert now.get("other", 0) >= self.last.get("other", 0)
        known = {str(guild) for guild in self.source.names}
        assert all(now[guild] >= self.last[guild] for guild in self.last if guild in known and guild in now)
        self.last = now


Guilds.TestCase.settings = settings(max_examples=scaled(60), stateful_step_count=25, deadline=None)
TestGuilds = Guilds.TestCase


async def test_guilds_beyond_the_budget_are_summed_up_and_counted() -> None:
    source = Held()
    for guild in range(1, 101):
        source.add("messages", "human", guild, 1)
        source.add("voice_seconds", "active", guild, 500)
        source.states.setdefault("members", {})[guild] = 3
    found = await scrape(source, max_series=1000)
    fitting = (1000 - PER_GUILD + 1) // PER_GUILD
    shown = {dict(labels)["guild_id"] for name, labels in found if name == "discord_messages_total"}
    assert len(shown) == fitting + 1
    assert found[key("discord_messages_total", guild_id="other", author="human")] == 100 - fitting
    assert found[key("discord_voice_seconds_total", guild_id="other", state="active")] == (100 - fitting) / 2
    assert found[key("discord_guild_members", guild_id="other")] == 3 * (100 - fitting)
    assert found[key("discord_exporter_guilds_folded")] == 100 - fitting
    assert found[key("discord_exporter_series")] <= 1000


async def test_the_default_budget_admits_fifty_thousand_guilds() -> None:
    text = GuildText(Held(), CATALOGUE.switched({}), ExpositionConfig())
    assert not any(text.pieces(TextFormat.TEXT)) or text.admission.update(range(50_000))
    assert not text.admission.excluded


async def test_channels_are_shown_only_when_asked_for_and_sum_to_the_guild() -> None:
    source = Held()
    for channel in range(1, 31):
        source.add("messages", "human", 10, channel, channel=channel)
        source.add("messages", "bot", 10, 1, channel=channel)
        source.add("voice_seconds", "active", 10, 1500, channel=channel)
    assert not {name for name, _ in await scrape(source) if "_channel_" in name}
    found = await scrape(rendering(source, channels=True, max_channels=10))
    messages = {
        dict(labels)["channel_id"]: n for (name, labels), n in found.items() if "channel_messages" in name
    }
    assert len(messages) == 11
    assert messages["30"] == 31
    assert sum(messages.values()) == sum(range(1, 31)) + 30
    seconds = [n for (name, _), n in found.items() if name == "discord_channel_voice_seconds_total"]
    assert sum(seconds) == 45
