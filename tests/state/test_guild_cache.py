from __future__ import annotations

import msgspec
import pytest

from exporter.events.facts.counting import Record
from exporter.events.facts.guilds import (
    ChannelDeleted,
    ChannelUpserted,
    GuildDeleted,
    GuildUpdated,
    GuildUpserted,
    MemberCountChanged,
    SessionStarted,
)
from exporter.state import guild_cache as module
from exporter.state.guild import Presence
from exporter.state.guild_cache import GuildCache
from tests.emitted import discard
from tests.entry_data import fields_of

GUILD = 197038439483310086
AT = 1_700_000_000_000


def seen(
    name: str = "Place", *, guild: int = GUILD, members: int = 7, joined: int = 5, **kwargs: object
) -> GuildUpserted:
    defaults: dict[str, object] = {
        "icon": None,
        "owner_id": 3,
        "features": ("NEWS",),
        "premium_tier": 1,
        "premium_subscription_count": 2,
        "afk_channel_id": 0,
        "channels": (channel(10, "general"), channel(11, "voice", 2), channel(20, "thread", 11, parent=10)),
        "voice_states": (),
    }
    return GuildUpserted(
        guild_id=guild,
        at=AT,
        name=name,
        member_count=members,
        joined_at=joined,
        **(defaults | kwargs),  # type: ignore[arg-type]  # the table of a test
    )


def changed(name: str, at: int = AT, boosts: int = 2) -> GuildUpdated:
    return GuildUpdated(GUILD, at, name, None, 3, ("NEWS",), 1, boosts, 0)


def channel(number: int, name: str, kind: int = 0, parent: int = 0, guild: int = GUILD) -> ChannelUpserted:
    return ChannelUpserted(guild, number, name, kind, parent)


def started(*guilds: int, shard: tuple[int, int] = (0, 1)) -> SessionStarted:
    return SessionStarted(guilds, AT, shard)


def types(records: object) -> list[str]:
    return [record.type for record in records]  # type: ignore[attr-defined]  # an iterable of records


@pytest.fixture
def directory() -> GuildCache:
    return GuildCache(discard)


def know(directory: GuildCache, guild: int = GUILD) -> None:
    directory.start_session(started(*directory.guilds, guild))
    assert types(directory.see_guild(seen(guild=guild))) == ["GUILD_SYNC"]


def test_the_first_dispatch_after_identify_is_a_sync(directory: GuildCache) -> None:
    know(directory)
    guild = directory.guilds[GUILD]
    assert (guild.presence, guild.known, guild.member_count) == (Presence.HERE, True, 7)


def test_an_unexpected_guild_is_an_invitation(directory: GuildCache) -> None:
    directory.start_session(started())
    created, synced = directory.see_guild(seen())
    assert (created.type, synced.type) == ("GUILD_CREATE", "GUILD_SYNC")
    assert fields_of(created)["name"] == "Place"
    assert fields_of(synced)["channels"] == [
        [10, "general", 0, 0],
        [11, "voice", 2, 0],
        [20, "thread", 11, 10],
    ]


def test_two_invitations_without_a_moment_are_two_rows(directory: GuildCache) -> None:
    first, _ = directory.see_guild(seen(joined=0))
    list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=False)))
    second, _ = directory.see_guild(msgspec.structs.replace(seen(joined=0), at=AT + 5))
    assert first.key != second.key


def test_a_return_from_an_outage_is_nothing_new(directory: GuildCache) -> None:
    know(directory)
    assert not list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=True)))
    assert directory.guilds[GUILD].known
    assert directory.guilds[GUILD].member_count == 7
    assert not list(directory.see_guild(seen(members=9)))
    assert directory.guilds[GUILD].member_count == 9


def test_what_changed_during_an_outage_is_recorded(directory: GuildCache) -> None:
    know(directory)
    list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=True)))
    (record,) = directory.see_guild(seen("Other place"))
    assert record.type == "GUILD_UPDATE"
    assert fields_of(record)["changes"] == {"name": {"old": "Place", "new": "Other place"}}


def test_a_guild_in_an_outage_from_the_start_is_synced_when_it_comes(directory: GuildCache) -> None:
    directory.start_session(started(GUILD))
    list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=True)))
    assert not directory.guilds[GUILD].known
    assert types(directory.see_guild(seen())) == ["GUILD_SYNC"]


def test_a_new_session_syncs_a_known_guild_again_without_an_update(directory: GuildCache) -> None:
    know(directory)
    know(directory)


def test_a_guild_expected_but_unknown_yields_no_change_from_nothing(directory: GuildCache) -> None:
    directory.start_session(started(GUILD))
    assert not list(directory.change_guild(changed("Early")))
    assert types(directory.see_guild(seen())) == ["GUILD_SYNC"]


def test_a_removal_forgets_the_guild_and_says_so(directory: GuildCache) -> None:
    know(directory)
    (gone,) = directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=False))
    assert (gone.type, fields_of(gone)) == ("GUILD_DELETE", {"name": "Place"})
    assert GUILD not in directory.guilds
    assert not directory.parents, "its threads are forgotten with it"
    assert not list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=False)))


def test_a_removal_leaves_the_threads_of_others(directory: GuildCache) -> None:
    know(directory)
    other = seen(
        guild=GUILD + 1, channels=(channel(30, "c", guild=GUILD + 1), channel(40, "t", 11, 30, GUILD + 1))
    )
    list(directory.see_guild(other))
    list(directory.lose_guild(GuildDeleted(GUILD, AT, unavailable=False)))
    assert directory.parents == {40: 30}


def test_an_update_carries_only_what_changed(directory: GuildCache) -> None:
    know(directory)
    (record,) = directory.change_guild(changed("Place", boosts=5))
    assert fields_of(record)["changes"] == {"premium_subscription_count": {"old": 2, "new": 5}}
    assert not list(directory.change_guild(changed("Place", boosts=5)))


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("name", "Place", "Palace"),
        ("icon", None, "a_1f"),
        ("owner_id", 3, 4),
        ("features", ("NEWS",), ("NEWS", "COMMUNITY")),
        ("premium_tier", 1, 2),
        ("premium_subscription_count", 2, 7),
    ],
)
def test_each_field_that_changes_is_recorded_alone_and_back_again(
    directory: GuildCache, field: str, old: object, new: object
) -> None:
    know(directory)
    as_it_was = changed("Place")

    def written(value: object) -> object:
        return list(value) if isinstance(value, tuple) else value

    (there,) = directory.change_guild(msgspec.structs.replace(as_it_was, **{field: new}))
    assert fields_of(there)["changes"] == {field: {"old": written(old), "new": written(new)}}
    assert fields_of(there)[field] == written(new)
    (back,) = directory.change_guild(as_it_was)
    assert fields_of(back)["changes"] == {field: {"old": written(new), "new": written(old)}}
    assert not list(directory.change_guild(as_it_was))


def test_two_updates_in_one_millisecond_are_two_rows(directory: GuildCache) -> None:
    know(directory)
    records: list[Record] = [*directory.change_guild(changed("A")), *directory.change_guild(changed("B"))]
    assert len({record.key for record in records}) == 2


def test_a_guild_the_new_session_does_not_list_is_gone(directory: GuildCache) -> None:
    know(directory)
    assert directory.start_session(started(GUILD + 1)) == [GuildDeleted(GUILD, AT, unavailable=False)]


def test_a_session_speaks_for_its_own_shard_only(directory: GuildCache) -> None:
    know(directory)
    mine = (GUILD >> 22) % 2
    assert not directory.start_session(started(shard=(1 - mine, 2)))
    assert directory.start_session(started(shard=(mine, 2))) == [GuildDeleted(GUILD, AT, unavailable=False)]
    assert not directory.start_session(started(shard=(0, 0))), "nonsense removes nothing"


def test_members_come_and_go_and_never_below_none(directory: GuildCache) -> None:
    know(directory)
    directory.move_member(MemberCountChanged(GUILD, 1))
    assert directory.guilds[GUILD].member_count == 8
    for _ in range(20):
        directory.move_member(MemberCountChanged(GUILD, -1))
    assert directory.guilds[GUILD].member_count == 0
    directory.move_member(MemberCountChanged(1, 1))
    assert 1 not in directory.guilds


def test_channels_are_named_renamed_and_forgotten(directory: GuildCache) -> None:
    know(directory)
    assert directory.channel_names(GUILD) == {10: "general", 11: "voice"}
    directory.see_channel(channel(12, "new"))
    directory.see_channel(channel(10, "renamed"))
    directory.lose_channel(ChannelDeleted(GUILD, 11))
    assert directory.channel_names(GUILD) == {10: "renamed", 12: "new"}
    assert directory.channel_names(1) == {}


def test_threads_have_parents_until_they_are_gone(directory: GuildCache) -> None:
    know(directory)
    directory.see_channel(channel(21, "another", 12, parent=11))
    assert directory.parents == {20: 10, 21: 11}
    directory.lose_channel(ChannelDeleted(GUILD, 20))
    assert directory.parents == {21: 11}
    assert 21 not in directory.channel_names(GUILD)


def test_threads_beyond_the_bound_push_out_the_oldest(
    directory: GuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_THREADS", 3)
    for number in range(1, 6):
        directory.see_channel(channel(number, "t", 11, parent=9))
    directory.see_channel(channel(5, "t", 11, parent=8))
    assert directory.parents == {3: 9, 4: 9, 5: 8}


def test_channel_names_are_bounded(directory: GuildCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CHANNELS", 3)
    list(directory.see_guild(seen(channels=tuple(channel(n, "c") for n in range(9)))))
    assert len(directory.channel_names(GUILD)) == 3
    directory.see_channel(channel(99, "c"))
    directory.see_channel(channel(0, "renamed"))
    assert directory.channel_names(GUILD) == {0: "renamed", 1: "c", 2: "c"}


def test_people_beyond_the_bound_push_out_the_older_half(
    directory: GuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 10)
    for number in range(11):
        directory.name_person(number, str(number))
    assert sorted(directory.people) == [5, 6, 7, 8, 9, 10]
    directory.name_person(10, "renamed")
    assert directory.people[10] == "renamed"
