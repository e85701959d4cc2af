"""Levels members reached."""

from __future__ import annotations

from typing import Annotated

from exporter.events.records.values import Doc, Id, Int64
from exporter.model import EntryData


class LevelUpRecord(EntryData, frozen=True, kw_only=True):
    """A member reached a level."""

    user_id: Annotated[Id, Doc("Who reached it.", personal=True)]
    username: Annotated[str | None, Doc("Their name, where known.", personal=True)] = None
    level: Annotated[Int64, Doc("The level.")]
    xp: Annotated[Int64, Doc("The experience they had then.")]
