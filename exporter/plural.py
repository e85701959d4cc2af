"""A number with its noun in the right form, for messages and reports."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 guild``, ``2 guilds``, ``1,200 guilds``: the noun takes an ``s`` for any number but one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
