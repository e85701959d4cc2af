"""Questions to Discord's REST API, and how their answers come back.

The gateway does not say everything: an audit log missed, uses of invites, approximate counts. Who needs to
know asks by a request; the source spends the request, within Discord's limits, and hands the answer to
the intake as one more dispatch, named after the kind with ``REST_`` before it, whose data is an ``Answer``.
So answers are decoded, counted and refused like everything else, and no stage waits for another.

Invariants: asking never blocks and never fails; equal questions that are waiting are asked once; an answer
always comes, with ``status`` 0 if Discord could not be reached or the question found no room.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

ANSWERS = "REST_"
"""What the names of answers begin with."""


class RequestKind(enum.StrEnum):
    """What can be asked. Discord docs, Resources › Audit Log, Guild, Invite."""

    AUDIT_LOG = "AUDIT_LOG"
    """GET /guilds/{id}/audit-logs; needs View Audit Log."""
    INVITES = "INVITES"
    """GET /guilds/{id}/invites; needs Manage Server for the uses."""
    VANITY = "VANITY"
    """GET /guilds/{id}/vanity-url; needs Manage Server."""
    COUNTS = "COUNTS"
    """GET /guilds/{id}?with_counts=true."""


class RestRequest(msgspec.Struct, frozen=True):
    """One question. ``urgent`` ones go first; ``purpose`` comes back with the answer untouched."""

    kind: RequestKind
    guild_id: int
    urgent: bool = False
    purpose: str = ""
    after: int = 0
    before: int = 0
    action_type: int = 0
    limit: int = 100

    @property
    def dispatch(self) -> str:
        """The name the answer is taken in under."""
        return f"{ANSWERS}{self.kind}"


Submit = Callable[[RestRequest], None]
"""Put a question; returns at once."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: ``status`` of HTTP, 0 if there was no answer; ``body`` is Discord's JSON."""

    request: RestRequest
    status: int
    body: msgspec.Raw = msgspec.Raw(b"null")
