"""A random history: what members and moderators do, and what becomes of the machine that watches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from exporter.state.dispatch_dates import PAUSE_MS
from tests.tracking.clock.machine import START, Disk
from tests.tracking.clock.run import DEAD, GUILD, LOUNGE, SECOND, Departure, Edge, Member, Run

MODERATOR = 50
EPOCH = 1_420_070_400_000
NUMBERS = {"kick": 20, "ban": 22, "unban": 23, "timeout": 24, "timeout_removed": 24}


class History(Run):
    """``play`` returns the disk at the end."""

    def play(self) -> Disk:
        self._start()
        self._pass(START + self.length)
        self._quiet = True
        while self.machine.is_asleep or not self._connected:
            self._pass(self.now + SECOND)
        self._pass(self.now + 75 * SECOND)
        self.process.commit()
        return self.disk

    def _tell(
        self, name: str, body: dict[str, Any], note: Callable[[], None] = lambda: None, late: int = 0
    ) -> None:
        """Discord dispatches something, unless the program has no session."""
        self._arrival = max(self._arrival + 1, self.now + self._pick(20, 300))
        session = self._session

        def take() -> None:
            self.process.accept(name, {"guild_id": str(GUILD)} | body)
            note()

        def arrive() -> None:
            if session != self._session:
                return
            if not self._connected or (self.machine.is_asleep and self.now - self._slept_at >= DEAD):
                self._missed.append(take)
            elif self.machine.is_asleep:
                self._held.append(take)
            else:
                take()

        self._after((late or self._arrival - self.now), arrive)

    def _act(self) -> None:
        pause = self.chance.choice((self._pick(50, 900), self._pick(900, 9_000)))
        if self.machine.is_asleep:
            pause = self._pick(900, 9_000) * (20 if self._wakes - self.now > 120 * SECOND else 1)
        self._after(pause, self._act)
        if self._quiet or self.chance.random() < 0.5:
            self._tell(
                "MESSAGE_CREATE",
                {
                    "id": str(self._id()),
                    "channel_id": "70",
                    "author": {"id": "101", "username": "m"},
                },
            )
        if self._quiet:
            return
        user_id = self.chance.choice(list(self.members))
        member = self.members[user_id]
        if member.banned:
            self._enter("unban", user_id)
            self._tell("GUILD_BAN_REMOVE", {"user": self._user(user_id)})
            member.banned = False
        elif not member.present:
            self._join(user_id, member)
        else:
            self.chance.choices((self._switch, self._leave, self._time_out), (5, 2, 2))[0](user_id, member)

    def _user(self, user_id: int) -> dict[str, Any]:
        return {"id": str(user_id), "username": f"u{user_id}"}

    def _id(self) -> int:
        return ((self.now - EPOCH) << 22) + next(self._serial) % 4_096

    def _enter(self, action: str, target: int | None, **more: Any) -> int:
        """An entry of the audit log, which its dispatch may follow late or never."""
        entry = {"id": str(self._id()), "action_type": NUMBERS[action], "user_id": str(MODERATOR)}
        entry |= {"target_id": str(target) if target else None} | more
        self.log.append(entry)
        self.actions[int(entry["id"])] = action
        if action not in {"kick", "ban"} or self.chance.random() < 0.9:
            self._tell(
                "GUILD_AUDIT_LOG_ENTRY_CREATE", entry, late=self.chance.choice((0, self._pick(50, 4_000)))
            )
        return int(entry["id"])

    def _join(self, user_id: int, member: Member) -> None:
        member.present = True
        at = datetime.fromtimestamp(self.now / 1000, UTC).isoformat()
        self._tell("GUILD_MEMBER_ADD", {"user": self._user(user_id), "joined_at": at})

    def _edge(self) -> tuple[Edge, Callable[[], None]]:
        edge = Edge(self.now)
        self._open.append(edge)

        def note() -> None:
            edge.receive(self.now, self._gap, held_up=self._held_up or edge.at < self._woke_at + PAUSE_MS)
            if edge in self._open:
                self._open.remove(edge)

        return edge, note

    def _switch(self, user_id: int, member: Member) -> None:
        """Enter voice, or leave it."""
        edge, note = self._edge()
        channel = None if member.entered else str(LOUNGE)
        if member.entered:
            member.sessions.append((member.entered, edge))
            member.entered = None
        else:
            member.entered, member.session = edge, str(next(self._serial))
        state = {"user_id": str(user_id), "channel_id": channel, "session_id": member.session}
        self._tell("VOICE_STATE_UPDATE", state, note)

    def _leave(self, user_id: int, member: Member) -> None:
        if member.entered:
            self._switch(user_id, member)
        reason = self.chance.choice(("leave", "kick", "kick", "ban"))
        entry_id = None if reason == "leave" else self._enter(reason, user_id)
        departure = Departure(user_id, self.now, reason, entry_id)
        self.departures.append(departure)
        member.present = False
        if reason == "ban":
            member.banned = True
            self._tell("GUILD_BAN_ADD", {"user": self._user(user_id)})
        self._tell(
            "GUILD_MEMBER_REMOVE", {"user": self._user(user_id)}, lambda: setattr(departure, "received", True)
        )

    def _time_out(self, user_id: int, member: Member) -> None:
        removing = member.until > self.now
        until = 0 if removing else self.now + self._pick(5, 120) * SECOND
        if removing:
            member.ends.remove(member.until)
        else:
            member.ends.append(until)
        member.until = until
        value = datetime.fromtimestamp(until / 1000, UTC).isoformat() if until else None
        change = {"key": "communication_disabled_until", "new_value": value}
        self._enter("timeout_removed" if removing else "timeout", user_id, changes=[change])
        self._tell(
            "GUILD_MEMBER_UPDATE", {"user": self._user(user_id), "communication_disabled_until": value}
        )
