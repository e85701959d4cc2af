"""What the writer does in an idle moment, without waiting for one."""

from __future__ import annotations

import math


async def tidy(spool):
    """Delete passed rows, age out dead letters, shrink file and log."""
    spool._writer._tidied_at = -math.inf
    for _ in range(2):
        # It is done after the answer to the first one, and before the second one is begun.
        await spool._writer.submit(lambda _: None)
