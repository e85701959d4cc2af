"""What the bot may do in each guild, followed from role to role.

Of a guild only the permissions some feature needs are kept: what the bot has as one number, and packed, what
each role gives. Channels may deny more; that shows only when something is not received.

Invariant: where nothing is known everything is taken to be permitted: a request that is refused costs one
request, a request not made costs an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import msgspec

from exporter.dispatch.component import Component, Emit, Handler
from exporter.events.catalogue import Catalogue
from exporter.events.facts.guilds import (
    BotKnown,
    MemberRoles,
    PermissionsChanged,
    RoleDeleted,
    RolesListed,
    RoleUpserted,
)
from exporter.events.permissions import PERMISSIONS, name_together, permission_mask

_ROLES = msgspec.msgpack.Decoder(dict[int, int])
_NONE = msgspec.msgpack.encode({})


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """Data of an event type that some guilds lack because of a missing permission, or of several at once."""

    type: str
    permission: str
    lost: str
    guilds: int


@dataclass(slots=True)
class BotPermissions:
    """The bot in one guild; ``roles`` is the packed map of role to what it gives, where that is anything."""

    granted: int
    owner: bool
    roles: bytes
    own: tuple[int, ...]


class Permissions(Component):
    """Permissions of the bot by guild.

    ``clear_refusals`` takes each guild where they changed: what REST refused there may be permitted now.
    """

    name = "permissions"

    def __init__(
        self, emit: Emit, catalogue: Catalogue, clear_refusals: Callable[[int], None] = lambda _: None
    ) -> None:
        super().__init__(emit)
        self._clear_refusals = clear_refusals
        self._catalogue = catalogue
        self._bot = 0
        groups = [*((name,) for name in catalogue.permissions), *catalogue.alternatives]
        self._lacking = dict.fromkeys(groups, 0)
        self._masks = {group: permission_mask(group) for group in groups}
        self._all = permission_mask(chain.from_iterable(groups))
        self._guilds: dict[int, BotPermissions] = {}

    @property
    def handles(self) -> Mapping[type, Handler]:
        """The bot's own id, and the roles of guilds."""
        return {
            BotKnown: self.know_bot,
            RolesListed: self.see_roles,
            RoleUpserted: lambda fact: self.set_role(fact.guild_id, fact.role_id, fact.permissions),
            RoleDeleted: lambda fact: self.set_role(fact.guild_id, fact.role_id, 0),
            MemberRoles: self.see_member,
        }

    def lacks(self, guild_id: int, permission: str) -> bool:
        """Whether the bot is known not to have a permission that an event type asks for."""
        if (permission,) not in self._lacking:
            return False
        current = self._guilds.get(guild_id)
        return current is not None and not current.granted & PERMISSIONS[permission]

    def blind(self) -> Iterable[BlindSpot]:
        """Every type and permissions it could miss, with the number of guilds where it does."""
        for event in self._catalogue.events.values():
            for group, lost in event.losses.items():
                yield BlindSpot(event.type, name_together(group), lost, self._lacking[group])

    def know_bot(self, fact: BotKnown) -> None:
        """Take the bot's own id."""
        self._bot = fact.user_id

    def see_roles(self, fact: RolesListed) -> None:
        """Take a guild whole."""
        own = next((roles for user_id, roles in fact.holders if user_id == self._bot), None)
        if own is None:
            return
        useful = self._all | PERMISSIONS["administrator"]
        roles = {role: bits & useful for role, bits in fact.roles if bits & useful}
        current = BotPermissions(0, fact.owner_id == self._bot, msgspec.msgpack.encode(roles), own)
        self._replace(fact.guild_id, current)

    def see_member(self, fact: MemberRoles) -> None:
        """Take the current roles of the bot."""
        current = self._guilds.get(fact.guild_id)
        if current is not None and fact.user_id == self._bot:
            self._replace(
                fact.guild_id, BotPermissions(current.granted, current.owner, current.roles, fact.role_ids)
            )

    def forget_guild(self, guild_id: int) -> None:
        """Remove a guild that the bot was removed from."""
        current = self._guilds.pop(guild_id, None)
        if current is not None:
            self._count_lacking(current.granted, -1)

    def set_role(self, guild_id: int, role_id: int, permissions: int) -> None:
        """Take what a role gives now; a deleted one gives nothing."""
        current = self._guilds.get(guild_id)
        if current is None:
            return
        roles = _ROLES.decode(current.roles)
        useful = permissions & (self._all | PERMISSIONS["administrator"])
        if roles.get(role_id, 0) == useful:
            return
        roles.pop(role_id, None)
        if useful:
            roles[role_id] = useful
        packed = msgspec.msgpack.encode(roles) if roles else _NONE
        self._replace(guild_id, BotPermissions(current.granted, current.owner, packed, current.own))

    def _replace(self, guild_id: int, current: BotPermissions) -> None:
        current.granted = self._work_out(guild_id, current)
        before = self._guilds.get(guild_id)
        self._guilds[guild_id] = current
        if before is not None:
            if before.granted == current.granted:
                return
            self._count_lacking(before.granted, -1)
        self._count_lacking(current.granted, 1)
        self._clear_refusals(guild_id)
        self.emit(PermissionsChanged(guild_id))

    def _work_out(self, guild_id: int, current: BotPermissions) -> int:
        """Discord docs, Topics › Permissions › Permission Hierarchy; everybody's role has the guild's id."""
        roles = _ROLES.decode(current.roles)
        granted = 0
        for role_id in (guild_id, *current.own):
            granted |= roles.get(role_id, 0)
        if current.owner or granted & PERMISSIONS["administrator"]:
            return self._all
        return granted & self._all

    def _count_lacking(self, granted: int, number: int) -> None:
        for group, mask in self._masks.items():
            if not granted & mask:
                self._lacking[group] += number
