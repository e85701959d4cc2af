"""Entries without people who opted out: for those committed before the opt-out and not delivered yet.

What happens after an opt-out never becomes an entry of theirs: facts are screened before anything counts
them (``Fact.without``). The spool may still hold entries from before.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Final

import msgspec

from exporter.events.records.snapshots import MemberActivitySnapshot, MetricsSnapshot
from exporter.model import Entry, EntryData, Json

SUBJECTS: Final = ("user_id", "target_user_id", "invitee_id")
"""Fields with the person an entry is about: nothing remains of it without them."""

MENTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "moderator_id": ("moderator_id", "moderator_username"),
    "inviter_id": ("inviter_id", "inviter_username"),
    "actor_id": ("actor_id", "actor_username"),
    "owner_id": ("owner_id",),
}
"""Fields with a person who had a part in it, and what is left out of the entry with them."""


def without(entry: Entry, people: Container[int]) -> Entry | None:
    """What remains of an entry when these people (user ids) are left out; None if nothing does."""
    data = entry.data
    if isinstance(data, MetricsSnapshot | MemberActivitySnapshot):
        screened = _screen_snapshot(data, people)
        return msgspec.structs.replace(entry, data=screened) if screened is not data else entry
    if any(_holds(data, field, people) for field in SUBJECTS) or _names(entry.key, people):
        return None
    changes = _read(data, "changes")
    if isinstance(changes, Mapping) and "owner_id" in changes:
        data = _screen_owner(data, changes, people)
    hidden = [name for field, names in MENTIONS.items() if _holds(data, field, people) for name in names]
    if not hidden:
        return entry if data is entry.data else msgspec.structs.replace(entry, data=data)
    return msgspec.structs.replace(entry, data=_hide(data, hidden))


def _names(key: str, people: Container[int]) -> bool:
    """Whether a key holds the id of one of them: an amendment may name its person by the key alone."""
    return any(part.isdigit() and int(part) in people for part in key.split(":"))


def _read(data: EntryData | Mapping[str, Json], field: str) -> object:
    return data.get(field) if isinstance(data, Mapping) else getattr(data, field, None)


def _holds(data: EntryData | Mapping[str, Json], field: str, people: Container[int]) -> bool:
    value = _read(data, field)
    return isinstance(value, int) and value in people


def _screen_owner(
    data: EntryData | Mapping[str, Json], changes: Mapping[str, Mapping[str, Json]], people: Container[int]
) -> EntryData | Mapping[str, Json]:
    """The change of a guild without an owner, old or new, among these people."""
    owners = changes["owner_id"]
    if not any(owner in people for owner in owners.values()):
        return data
    kept = {when: None if owner in people else owner for when, owner in owners.items()}
    screened = {**changes, "owner_id": kept}
    if isinstance(data, Mapping):
        return {**data, "changes": screened}
    return msgspec.structs.replace(data, changes=screened)


def _hide(data: EntryData | Mapping[str, Json], names: list[str]) -> EntryData | Mapping[str, Json]:
    if isinstance(data, Mapping):
        return {name: value for name, value in data.items() if name not in names}
    present = [name for name in names if name in data.__struct_fields__]
    return msgspec.structs.replace(data, **dict.fromkeys(present))


def _screen_snapshot(
    data: MetricsSnapshot | MemberActivitySnapshot, people: Container[int]
) -> MetricsSnapshot | MemberActivitySnapshot:
    if isinstance(data, MemberActivitySnapshot):
        kept = [member for member in data.members if member.user_id not in people]
        return data if len(kept) == len(data.members) else msgspec.structs.replace(data, members=kept)
    changes: dict[str, object] = {}
    if data.members is not msgspec.UNSET:
        changes["members"] = [delta for delta in data.members if delta[2] not in people]
    if data.top_members is not msgspec.UNSET:
        changes["top_members"] = [top for top in data.top_members if int(top.user_id) not in people]
    return msgspec.structs.replace(data, **changes) if changes else data
