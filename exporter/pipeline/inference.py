"""By which invites some joins came, from how the uses of invites rose between two readings. Pure.

A reading asked for after a join includes its use; one answered before a join does not. So readings cut the
joins of a guild into groups, and the uses that appeared with a group's readings are those of its joins. Where
they are as many as the joins, and of one code, nothing is left open; else what remains possible is named.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

SETTLE_MS = 1_500
"""How much later than a reading's answer a join may be told of that the reading included already."""


class Confidence(enum.StrEnum):
    """How sure a finding is."""

    EXACT = "exact"
    PROBABLE = "probable"
    AMBIGUOUS = "ambiguous"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reading showed against the one before.

    ``joins`` is how many joins had been told of when it was asked for, ``answered`` when it was answered, in
    ms. ``uses`` is what each code rose by. ``used_up`` holds codes that went away, each with the uses it had
    left: taken, if it was not taken back. ``faded`` are codes that went away in a way that tells nothing.
    """

    joins: int
    answered: int
    uses: Mapping[str, int]
    used_up: Mapping[str, int]
    faded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of one join: the codes it may have come by, the only one first."""

    confidence: Confidence
    codes: tuple[str, ...] = ()
    counted: bool = False
    """Whether it certainly came by one of these codes."""


def infer(arrivals: Sequence[int], readings: Sequence[Reading], *, sure: bool) -> list[Finding]:
    """A finding for each join told of at these moments, in ms, as far as the last reading has them.

    ``sure`` says that every invite taken back would have been told of.
    """
    findings: list[Finding] = []
    for group in _groups(arrivals, readings):
        findings += _infer_group(len(findings), group, sure=sure)
    return findings


def _groups(arrivals: Sequence[int], readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Readings between moments at which no join was on its way."""
    group: list[Reading] = []
    for number, reading in enumerate(readings):
        group.append(reading)
        told = sum(1 for arrived in arrivals if arrived <= reading.answered + SETTLE_MS)
        last = number == len(readings) - 1
        # A second look at the same joins adds what the first one came too early for.
        looked_again = not last and readings[number + 1].joins == reading.joins
        if last or (told == reading.joins and not looked_again):
            yield group
            group = []


def _infer_group(first: int, group: Sequence[Reading], *, sure: bool) -> list[Finding]:
    joins = group[-1].joins - first
    rises = sum(sum(reading.uses.values()) for reading in group)
    left = sum(sum(reading.used_up.values()) for reading in group)
    if rises != joins and rises + left != joins:
        return [_judge(joins, group, sure=sure)] * joins
    # Every join has its use: wherever as many uses had appeared as joins were sure to be included, those uses
    # are those joins'.
    findings: list[Finding] = []
    part: list[Reading] = []
    appeared = 0
    for reading in group:
        part.append(reading)
        appeared += sum(reading.uses.values())
        if rises != joins:
            appeared += sum(reading.used_up.values())
        if first + appeared == reading.joins:
            number = reading.joins - first - len(findings)
            findings += [_judge(number, part, sure=sure)] * number
            part = []
    return findings


def _judge(joins: int, readings: Sequence[Reading], *, sure: bool) -> Finding:
    uses: Counter[str] = Counter()
    used_up: Counter[str] = Counter()
    faded: dict[str, None] = {}
    for reading in readings:
        uses.update(reading.uses)
        used_up.update(reading.used_up)
        faded |= dict.fromkeys(reading.faded)
    rises, left = uses.total(), used_up.total()
    codes = tuple(uses)
    if rises == joins:
        confidence = Confidence.EXACT if len(codes) == 1 else Confidence.AMBIGUOUS
        return Finding(confidence, codes, counted=True) if codes else Finding(Confidence.UNKNOWN)
    codes = tuple(uses | used_up)
    if rises + left == joins:
        if len(codes) > 1:
            return Finding(Confidence.AMBIGUOUS, codes)
        certain = sure and not faded
        return Finding(Confidence.EXACT if certain else Confidence.PROBABLE, codes, counted=certain)
    codes = tuple(dict.fromkeys((*codes, *faded)))
    if not codes:
        return Finding(Confidence.UNKNOWN)
    alone = len(codes) == 1 and (joins == 1 or rises > joins)
    return Finding(Confidence.PROBABLE if alone else Confidence.AMBIGUOUS, codes)
