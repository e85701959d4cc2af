"""One problem of a configuration, as a line that says what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.config.yaml_source import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """``where`` is a file or variable, ``line`` 0 if there is none; ``advice`` says what to do."""

    where: str
    line: int
    path: Path
    what: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.line else self.where
        head = " ".join(part for part in (place, dotted(self.path)) if part)
        return f"{head}: {self.what}; {self.advice}" if self.advice else f"{head}: {self.what}"


def dotted(path: Path) -> str:
    """A path in dotted notation: ``sinks.influxdb.url``, ``privacy.opt_out[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def suggest(word: str, known: Iterable[str]) -> str:
    """Advice for an unknown word: the nearest known one, or all if they are few."""
    known = sorted(known)
    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean {folded[near[0]]}?"
    if known and len(known) <= 16:  # noqa: PLR2004 - what fits on a line
        return f"known are {', '.join(known)}"
    return "remove it"
