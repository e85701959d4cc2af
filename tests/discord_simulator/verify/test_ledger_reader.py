"""The arithmetic of a ledger: what is added, what is left out, what is allowed for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from discord_simulator.verify.expected import load_expected
from discord_simulator.verify.ledger_reader import LedgerError
from discord_simulator.verify.quantities import Amount, Expected, Quantity, Scope

G, C, T, U, M, E = "1", "10", "11", "100", "200", "900"


class Scribe:
    """Writes ledgers by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[bytes] = []

    def write(self, kind: str, at: int = 0, **fields: Any) -> int:
        number = len(self.lines) + 1
        fields = {"from" if key == "from_" else key: value for key, value in fields.items()}
        self.lines.append(orjson.dumps({"n": number, "at": at, "type": kind, **fields}) + b"\n")
        return number

    def message(self, at: int = 0, **fields: Any) -> int:
        return self.write(
            "MESSAGE_CREATE",
            at,
            **({"guild_id": G, "channel_id": C, "parent_id": C, "user_id": U, "author": "human"} | fields),
        )

    def session(self, start: int, end: int, states: dict[str, int] | None = None, **channels: int) -> int:
        return self.write(
            "VOICE_SESSION",
            end,
            guild_id=G,
            user_id=U,
            channels={key.strip("c"): value for key, value in channels.items()} or {C: end - start},
            states=states or {"active": end - start},
            shown={"stream": 500},
            ms=end - start,
            from_=start,
            to=end,
        )

    def ban(self, entry: str = E) -> int:
        return self.write(
            "GUILD_BAN_ADD", guild_id=G, target_user_id=U, moderator_id=M, reason="spam", audit_entry_id=entry
        )

    def departure(self, reason: str, entry: str | None = None) -> int:
        return self.write(
            "GUILD_MEMBER_REMOVE",
            guild_id=G,
            user_id=U,
            reason=reason,
            moderator_id=M if entry else None,
            audit_reason="spam" if entry else None,
            audit_entry_id=entry,
            member_count=9,
        )

    def entry(self, *, visible: bool = True) -> int:
        return self.write(
            "AUDIT_LOG_ENTRY", guild_id=G, audit_entry_id=E, action_type=22, user_id=M, visible=visible
        )

    def lose(self, *numbers: int) -> None:
        self.write("LOST", refs=list(numbers), reason="session timed out")

    def read(self) -> Expected:
        self.path.write_bytes(b"".join(self.lines))
        return load_expected(self.path)


@pytest.fixture
def scribe(tmp_path: Path) -> Scribe:
    return Scribe(tmp_path / "ledger.jsonl")


def depart(scribe: Scribe, user: str, reason: str, at: int, entry: str | None = None) -> int:
    return scribe.write(
        "GUILD_MEMBER_REMOVE",
        at,
        guild_id=G,
        user_id=user,
        reason=reason,
        moderator_id=M,
        audit_entry_id=entry,
        member_count=9,
    )


def a_prune_and_a_leave(scribe: Scribe, *, message_at: int, leave_at: int, lose: bool = False) -> Expected:
    """A prune of two at 10,000, a message a second before and another one later, and a leave."""
    scribe.message(at=9_000)
    pruned = [depart(scribe, user, "prune", 10_000, E) for user in ("1", "2")]
    moments = sorted([(message_at, "message"), (leave_at, "leave")])
    for at, kind in moments:
        _ = scribe.message(at=at) if kind == "message" else depart(scribe, "3", "leave", at)
    scribe.message(at=60_000)
    if lose:
        scribe.lose(pruned[0])
    return scribe.read()


@pytest.mark.parametrize(
    ("message_at", "leave_at"),
    [(20_000, 15_000), (10_099, 10_200), (10_001, 10_100)],
    ids=["same", "slack", "edge"],
)
def test_without_a_message_between_a_leave_and_a_prune_are_ambiguous(
    scribe: Scribe, message_at: int, leave_at: int
) -> None:
    expected = a_prune_and_a_leave(scribe, message_at=message_at, leave_at=leave_at)
    assert amount(expected, "leaves: prune") == Amount(2, below=2)
    assert amount(expected, "leaves: leave") == Amount(1, below=1)
    assert amount(expected, "leaves: unknown") == Amount(0, above=3)
    assert amount(expected, "leaves") == Amount(3)


def test_with_a_message_between_a_leave_is_no_prune_and_a_prune_no_leave(scribe: Scribe) -> None:
    expected = a_prune_and_a_leave(scribe, message_at=10_101, leave_at=10_102)
    assert amount(expected, "leaves: prune") == Amount(2)
    assert amount(expected, "leaves: leave") == Amount(1)
    assert amount(expected, "leaves: unknown") == Amount()


def test_a_prune_with_a_lost_removal_is_ambiguous(scribe: Scribe) -> None:
    expected = a_prune_and_a_leave(scribe, message_at=10_101, leave_at=10_102, lose=True)
    assert amount(expected, "leaves: prune") == Amount(1, below=1)
    assert amount(expected, "leaves: unknown") == Amount(0, above=1)
    assert amount(expected, "leaves: leave") == Amount(1)


def test_a_prune_at_the_time_of_an_ambiguous_one_is_ambiguous(scribe: Scribe) -> None:
    scribe.message(at=9_000)
    depart(scribe, "1", "prune", 10_000, E)
    depart(scribe, "2", "leave", 10_050)
    scribe.message(at=10_060)
    depart(scribe, "3", "prune", 10_150, "901")
    scribe.message(at=10_160)
    depart(scribe, "4", "prune", 30_000, "902")
    expected = scribe.read()
    assert amount(expected, "leaves: prune") == Amount(3, below=2)


@pytest.mark.parametrize(("banned_at", "back_at"), [(11_200, 0), (11_201, 0), (11_000, 10_500)])
def test_a_leave_right_before_a_ban_may_be_recorded_as_a_ban(
    scribe: Scribe, banned_at: int, back_at: int
) -> None:
    depart(scribe, U, "leave", 10_000)
    if back_at:
        scribe.write("GUILD_MEMBER_ADD", back_at, guild_id=G, user_id=U, member_count=9)
    scribe.write(
        "GUILD_BAN_ADD",
        banned_at,
        guild_id=G,
        target_user_id=U,
        moderator_id=M,
        reason="raid",
        audit_entry_id=E,
    )
    expected = scribe.read()
    close = banned_at == 11_200
    assert amount(expected, "leaves: leave") == (Amount(1, below=1) if close else Amount(1))
    assert amount(expected, "leaves: ban") == (Amount(0, above=1) if close else Amount())
    assert amount(expected, "leaves") == Amount(1)


def test_the_reason_of_a_leave_right_before_the_bot_is_removed_may_be_unknown(scribe: Scribe) -> None:
    depart(scribe, "1", "leave", 10_000)
    depart(scribe, "2", "leave", 90_000)
    scribe.write("GUILD_DELETE", 91_000, guild_id=G, name="gone", member_count=9)
    scribe.message(at=99_000)
    expected = scribe.read()
    assert amount(expected, "leaves: leave") == Amount(2, below=1)
    assert amount(expected, "leaves: unknown") == Amount(0, above=1)


def amount(expected: Expected, name: str, scope: Scope = Scope.GUILD, *key: int | str) -> Amount:
    return expected.amounts.get(Quantity(name, scope), {}).get(key or (1,), Amount())


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("human", "messages"),
        ("bot", "bot_messages"),
        ("webhook", "webhook_messages"),
        ("system", "system_messages"),
    ],
)
def test_messages_are_counted_by_author_and_only_those_of_users_by_member(
    scribe: Scribe, author: str, name: str
) -> None:
    scribe.message(author=author)
    expected = scribe.read()
    assert amount(expected, name) == Amount(1)
    assert amount(expected, name, Scope.CHANNEL, 1, 10) == Amount(1)
    people = expected.amounts.get(Quantity("messages", Scope.MEMBER), {})
    assert people == ({(1, 100): Amount(1)} if author == "human" else {})


def test_a_thread_is_counted_on_its_parent(scribe: Scribe) -> None:
    scribe.message(channel_id=T)
    expected = scribe.read()
    assert expected.amounts[Quantity("messages", Scope.CHANNEL)] == {(1, 10): Amount(1)}


def test_a_resolved_embed_is_no_edit(scribe: Scribe) -> None:
    place = {"guild_id": G, "channel_id": C, "parent_id": C, "user_id": U}
    scribe.write("MESSAGE_UPDATE", **place)
    scribe.write("EMBED_RESOLVED", **place)
    assert amount(scribe.read(), "message_edits") == Amount(1)


def test_a_bulk_deletion_counts_its_messages(scribe: Scribe) -> None:
    place = {"guild_id": G, "channel_id": C, "parent_id": C}
    scribe.write("MESSAGE_DELETE", **place, user_id=U)
    scribe.write("MESSAGE_DELETE_BULK", **place, count=40)
    assert amount(scribe.read(), "message_deletes", Scope.CHANNEL, 1, 10) == Amount(41)


def test_a_reaction_is_given_received_and_counted_by_emoji(scribe: Scribe) -> None:
    place = {"guild_id": G, "channel_id": T, "parent_id": C, "user_id": U}
    scribe.write("MESSAGE_REACTION_ADD", **place, emoji="👍", message_author_id=M, super=False)
    scribe.write("MESSAGE_REACTION_ADD", **place, emoji="77", super=True)
    scribe.write("MESSAGE_REACTION_REMOVE", **place, emoji="👍")
    expected = scribe.read()
    assert amount(expected, "reactions") == Amount(2)
    assert amount(expected, "reactions", Scope.CHANNEL, 1, 10) == Amount(2)
    assert amount(expected, "reactions", Scope.EMOJI, 1, "👍") == Amount(1)
    assert amount(expected, "reactions", Scope.EMOJI, 1, "77") == Amount(1)
    assert amount(expected, "reactions_given", Scope.MEMBER, 1, 100) == Amount(2)
    assert expected.amounts[Quantity("reactions_received", Scope.MEMBER)] == {(1, 200): Amount(1)}
    assert amount(expected, "reactions_removed") == Amount(1)


def test_members_are_counted_as_of_the_last_change(scribe: Scribe) -> None:
    scribe.write("GUILD", guild_id=G, member_count=10, name="g")
    scribe.write("GUILD_MEMBER_ADD", guild_id=G, user_id=U, member_count=11)
    scribe.departure("leave")
    scribe.write("GUILD_CREATE", guild_id="2", member_count=3, name="new")
    expected = scribe.read()
    assert expected.amounts[Quantity("members")] == {(1,): Amount(9), (2,): Amount(3)}
    assert amount(expected, "joins") == amount(expected, "leaves") == Amount(1)
    assert expected.guilds == {1, 2}


def test_a_removed_guild_has_no_members_any_more(scribe: Scribe) -> None:
    scribe.write("GUILD", guild_id=G, member_count=10, name="g")
    scribe.write("GUILD_DELETE", guild_id=G, member_count=10, name="g")
    expected = scribe.read()
    assert expected.removed == {1}
    assert Quantity("members") not in {q for q, cells in expected.amounts.items() if cells}


def test_a_ban_is_a_row_with_all_that_is_known(scribe: Scribe) -> None:
    scribe.ban()
    scribe.entry()
    expected = scribe.read()
    (row,) = expected.rows
    assert (row.unattributed, row.optional) == (False, False)
    assert (row.row.target_user_id, row.row.moderator_id, row.row.reason) == (100, 200, "spam")
    assert row.row.audit_entry_id == 900
    assert amount(expected, "bans") == Amount(1)


def test_a_kick_is_a_departure_and_a_row(scribe: Scribe) -> None:
    scribe.departure("kick", E)
    scribe.entry()
    expected = scribe.read()
    assert amount(expected, "kicks") == amount(expected, "leaves: kick") == Amount(1)
    assert (expected.rows[0].row.action, expected.rows[0].row.reason) == ("kick", "spam")


# ── what could not be seen ───────────────────────────────────────────────────────────────────────────


def test_lost_lines_are_left_out_and_counted_apart(scribe: Scribe) -> None:
    lost = scribe.message()
    scribe.message()
    scribe.write("GUILD_MEMBER_ADD", guild_id=G, user_id=U, member_count=11)
    scribe.lose(lost, 3)
    expected = scribe.read()
    assert amount(expected, "messages") == Amount(1)
    assert amount(expected, "joins") == Amount(0)
    # The count of members comes with the next sync, even if the join was lost.
    assert amount(expected, "members") == Amount(11)
    assert expected.unseen == {"MESSAGE_CREATE": 1, "GUILD_MEMBER_ADD": 1}


def test_a_lost_edit_may_be_seen_through_a_later_update(scribe: Scribe) -> None:
    scribe.lose(scribe.write("MESSAGE_UPDATE", guild_id=G, channel_id=C, parent_id=C, user_id=U))
    assert amount(scribe.read(), "message_edits") == Amount(0, above=1)


def test_a_lost_ban_is_learnt_from_its_entry_and_may_be_from_one_read_later(scribe: Scribe) -> None:
    lost = scribe.ban()
    entry = scribe.entry()
    scribe.lose(lost)
    expected = scribe.read()
    assert amount(expected, "bans") == Amount(1)
    assert not expected.rows[0].optional, "its entry was published"
    scribe.lose(entry)
    expected = scribe.read()
    assert amount(expected, "bans") == Amount(0, above=1)
    assert expected.rows[0].optional


@pytest.mark.parametrize("visible", [True, False])
def test_an_entry_lost_or_withheld_leaves_the_ban_without_an_actor(scribe: Scribe, *, visible: bool) -> None:
    scribe.ban()
    entry = scribe.entry(visible=visible)
    if visible:
        scribe.lose(entry)
    scribe.departure("ban", E)
    expected = scribe.read()
    assert (expected.rows[0].unattributed, expected.rows[0].optional) == (True, False)
    # That it was a ban could still be seen.
    assert amount(expected, "leaves: ban") == Amount(1)


def test_a_kick_with_an_unpublished_entry_is_a_kick_by_the_log(scribe: Scribe) -> None:
    scribe.departure("kick", E)
    scribe.entry(visible=False)
    expected = scribe.read()
    assert amount(expected, "leaves") == Amount(1)
    assert amount(expected, "leaves: kick") == Amount(1)
    assert amount(expected, "leaves: leave") == Amount()


def permit(scribe: Scribe, at: int, *, granted: bool) -> None:
    scribe.write("PERMISSION", at, guild_id=G, name="view_audit_log", granted=granted)


@pytest.mark.parametrize(("reason", "visible"), [("kick", False), ("leave", True)])
def test_the_reason_of_a_removal_may_be_unknown_without_access_to_the_log(
    scribe: Scribe, reason: str, *, visible: bool
) -> None:
    permit(scribe, 0, granted=False)
    scribe.departure(reason, E if reason == "kick" else None)
    if reason == "kick":
        scribe.entry(visible=visible)
    expected = scribe.read()
    assert amount(expected, f"leaves: {reason}") == Amount(1, below=1)
    assert amount(expected, "leaves: unknown") == Amount(0, above=1)
    assert amount(expected, "leaves: leave").above == 0


def test_the_reason_of_a_removal_right_before_the_bot_is_removed_may_be_unknown(scribe: Scribe) -> None:
    scribe.departure("leave")
    scribe.write("GUILD_DELETE", 20_000, guild_id=G, member_count=9)
    assert amount(scribe.read(), "leaves: unknown") == Amount(0, above=1)


def test_a_removal_in_a_gap_is_looked_up_after_it(scribe: Scribe) -> None:
    scribe.departure("leave")
    scribe.write("GUILD_DELETE", 80_000, guild_id=G, member_count=9)
    assert amount(scribe.read(), "leaves: unknown") == Amount()
    scribe.write("GAP", 90_000, shard=0, from_=-5, to=90_000)
    assert amount(scribe.read(), "leaves: unknown") == Amount(0, above=1)


def test_a_kick_with_a_published_entry_is_a_kick_without_later_access_to_the_log(scribe: Scribe) -> None:
    scribe.departure("kick", E)
    scribe.entry()
    permit(scribe, 10, granted=False)
    assert amount(scribe.read(), "leaves: kick") == Amount(1)


def test_regained_access_to_the_log_ends_the_tolerance(scribe: Scribe) -> None:
    permit(scribe, -5_000, granted=False)
    permit(scribe, -1, granted=True)
    scribe.departure("leave")
    assert amount(scribe.read(), "leaves: unknown") == Amount()


def test_a_departure_whose_ban_and_entry_were_lost_in_a_gap_may_pass_for_a_leave(scribe: Scribe) -> None:
    ban, entry = scribe.ban(), scribe.entry()
    scribe.departure("ban", E)
    scribe.lose(ban, entry)
    scribe.write("GAP", shard=0, from_=-10, to=20)
    expected = scribe.read()
    assert amount(expected, "leaves: ban") == Amount(1, below=1)
    assert amount(expected, "leaves: leave") == Amount(0, above=1)


def count_up(scribe: Scribe, *moments: int) -> None:
    for at in moments:
        scribe.write(
            "MESSAGE_DELETE", at, guild_id=G, channel_id=C, user_id=U, moderator_id=M, audit_entry_id=E
        )


def test_what_an_entry_counted_in_the_last_minute_of_a_guild_need_not_have_been_read(scribe: Scribe) -> None:
    count_up(scribe, 0, 35_000, 35_001, 60_000)
    scribe.write("GUILD_DELETE", 100_000, guild_id=G, member_count=9)
    (row,) = scribe.read().rows
    assert (row.row.count, row.uncounted) == (4, 2)
    assert [accepted.count for accepted in row.accepted()] == [4, 3, 2]


def test_an_entry_is_read_to_the_end_where_the_log_may_be_read_again(scribe: Scribe) -> None:
    count_up(scribe, 0, 90_000)
    permit(scribe, 95_000, granted=False)
    assert scribe.read().rows[0].uncounted == 1
    permit(scribe, 99_000, granted=True)
    scribe.message(at=99_500)
    assert scribe.read().rows[0].uncounted == 0


# ── voice ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_has_a_second_of_allowance_in_each_place(scribe: Scribe) -> None:
    scribe.session(1000, 61_000, c10=20_000, c11=40_000)
    expected = scribe.read()
    assert amount(expected, "voice_seconds") == Amount(60, 1, 1)
    assert amount(expected, "voice_seconds", Scope.MEMBER, 1, 100) == Amount(60, 1, 1)
    assert amount(expected, "voice_seconds", Scope.CHANNEL, 1, 10) == Amount(20, 1, 1)
    assert amount(expected, "voice_seconds", Scope.CHANNEL, 1, 11) == Amount(40, 1, 1)
    assert amount(expected, "voice_sessions") == Amount(1)


def test_time_is_counted_by_state_and_the_afk_channel_is_apart(scribe: Scribe) -> None:
    scribe.write("GUILD", guild_id=G, member_count=10, name="g", afk_channel_id="11")
    scribe.session(1000, 61_000, {"muted": 5000, "active": 15_000, "afk": 40_000}, c10=20_000, c11=40_000)
    expected = scribe.read()
    assert amount(expected, "voice_seconds") == Amount(20, 1, 1)
    assert amount(expected, "afk_voice_seconds", Scope.MEMBER, 1, 100) == Amount(40, 1, 1)
    assert expected.amounts[Quantity("voice_seconds", Scope.CHANNEL)] == {(1, 10): Amount(20, 1, 1)}
    assert expected.amounts[Quantity("afk_voice_seconds", Scope.CHANNEL)] == {(1, 11): Amount(40, 1, 1)}
    assert amount(expected, "voice_seconds: muted", Scope.MEMBER, 1, 100) == Amount(5, 1, 1)
    assert amount(expected, "voice_seconds: active") == Amount(15, 1, 1)
    assert amount(expected, "voice_seconds: afk") == Amount(40, 1, 1)
    assert amount(expected, "voice_stream_seconds", Scope.MEMBER, 1, 100) == Amount(0.5, 1, 1)


def test_allowances_add_up_over_sessions(scribe: Scribe) -> None:
    scribe.session(0, 5000)
    scribe.session(6000, 9000)
    assert amount(scribe.read(), "voice_seconds") == Amount(8, 2, 2)


@pytest.mark.parametrize(
    ("gap", "slack"),
    [
        ((80_000, 96_999), 0),
        ((90_000, 98_000), 14),
        ((140_000, 150_000), 0),
        ((190_000, 210_000), 26),
        ((206_000, 207_000), 7),
        ((206_001, 207_000), 0),
    ],
)
def test_a_gap_matters_where_a_session_begins_or_ends(
    scribe: Scribe, gap: tuple[int, int], slack: float
) -> None:
    scribe.session(100_000, 200_000)
    scribe.write("GAP", shard=0, from_=gap[0], to=gap[1])
    expected = scribe.read()
    assert amount(expected, "voice_seconds") == Amount(100, 1 + slack, 1 + slack)
    assert amount(expected, "voice_sessions") == Amount(1, bool(slack), bool(slack))


def test_a_change_in_a_gap_may_be_seen_when_it_is_over(scribe: Scribe) -> None:
    scribe.write("VOICE_STATE", 145_000, guild_id=G, user_id=U, channel_id="11")
    scribe.write("GAP", shard=0, from_=140_000, to=150_000)
    scribe.session(100_000, 200_000)
    assert amount(scribe.read(), "voice_seconds") == Amount(100, 17, 17)


def test_in_any_gap_company_may_have_come_and_gone(scribe: Scribe) -> None:
    scribe.session(100_000, 200_000)
    scribe.write("GAP", shard=0, from_=140_000, to=150_000)
    assert amount(scribe.read(), "voice_seconds: active") == Amount(100, 17, 17)


def test_an_outage_is_a_gap_for_its_guild_alone(scribe: Scribe) -> None:
    scribe.write("OUTAGE", 40_000, guild_id="2", unavailable=True)
    scribe.write("OUTAGE", 50_000, guild_id=G, unavailable=True)
    scribe.write("OUTAGE", 52_000, guild_id=G, unavailable=False)
    scribe.session(45_000, 100_000)
    assert amount(scribe.read(), "voice_seconds") == Amount(55, 9, 9)


def test_an_outage_that_does_not_end_lasts_until_the_last_line(scribe: Scribe) -> None:
    scribe.write("OUTAGE", 3000, guild_id=G, unavailable=True)
    scribe.session(0, 10_000)
    assert amount(scribe.read(), "voice_seconds") == Amount(10, 14, 14)


# ── the file ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_cut_last_line_is_left_out(scribe: Scribe, cut: int) -> None:
    scribe.message()
    scribe.message()
    scribe.read()
    scribe.path.write_bytes(scribe.path.read_bytes()[:-cut])
    expected = load_expected(scribe.path)
    # Without its newline alone the line is still whole.
    assert amount(expected, "messages") == Amount(2 if cut == 1 else 1)
    assert not expected.complete


def test_a_line_in_the_middle_that_is_none_is_an_error_with_its_number(scribe: Scribe) -> None:
    scribe.message()
    scribe.lines.append(b'{"n": 2, "at"\n')
    scribe.message()
    with pytest.raises(LedgerError, match=r"ledger\.jsonl, line 2, is not a line of a ledger"):
        scribe.read()


def test_a_ledger_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot read the ledger .*nothing\.jsonl: No such file"):
        load_expected(tmp_path / "nothing.jsonl")


def test_an_empty_ledger_expects_nothing(scribe: Scribe) -> None:
    expected = scribe.read()
    assert (expected.amounts, expected.rows, expected.complete) == ({}, (), False)


def test_lines_of_types_from_the_future_are_passed_over(scribe: Scribe) -> None:
    scribe.write("HEADER", seed=4, rate=2.5, guilds=1)
    scribe.write("STAGE_CREATE", guild_id=G, topic="?", unheard=[{"of": 1}])
    scribe.write("END", counts={"STAGE_CREATE": 1})
    expected = scribe.read()
    assert (expected.seed, expected.rate, expected.complete) == (4, 2.5, True)


def test_lost_and_gap_after_the_end_still_count(scribe: Scribe) -> None:
    number = scribe.message()
    scribe.write("END", counts={})
    scribe.lose(number)
    expected = scribe.read()
    assert expected.complete
    assert amount(expected, "messages") == Amount(0)
