"""A number with its noun in the right form, for messages and reports."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 guild``, ``2 guilds``, ``1,200 guilds``: any number but one takes the plural, or else an ``s``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
