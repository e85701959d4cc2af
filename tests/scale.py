"""How long the tests of chance go on: ``TEST_SCALE=10`` makes ten times as many tries."""

from __future__ import annotations

import os

SCALE = int(os.environ.get("TEST_SCALE", "1"))


def scaled(tries: int) -> int:
    return tries * SCALE
