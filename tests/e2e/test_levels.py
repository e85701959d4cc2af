"""Experience follows from what people really wrote, and a restart earns no experience."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict

import pytest

pytestmark = pytest.mark.timeout(120)

COOLDOWN_MS = 2_000
LEVELS = {"message": 25, "reaction": 0, "voice_minute": 0, "cooldown": "2s", "base": 50, "linear": 25}
LEADERBOARD = """
SELECT s.guild_id, s.user_id, s.total_xp, COALESCE(MAX(l.level), 0)
FROM member_stats s LEFT JOIN level_ups l ON l.guild_id = s.guild_id AND l.user_id = s.user_id
WHERE s.total_xp > 0 GROUP BY s.guild_id, s.user_id ORDER BY s.total_xp DESC
"""

Board = dict[tuple[int, int], tuple[int, int]]


def read_board(exporter) -> Board:
    with sqlite3.connect(exporter.database) as connection:
        rows = connection.execute(LEADERBOARD).fetchall()
    connection.close()
    return {(guild, user): (xp, level) for guild, user, xp, level in rows}


def level_of(xp: int) -> int:
    level = 0
    while xp >= 50 + 25 * level:
        xp -= 50 + 25 * level
        level += 1
    return level


def expect(ledger) -> Board:
    """What everybody earned by what the ledger says they wrote."""
    written: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    with ledger.open() as lines:
        for line in map(json.loads, lines):
            if line["type"] == "MESSAGE_CREATE" and line["author"] == "human":
                written[int(line["guild_id"]), int(line["user_id"])].append(line["at"])
    board: Board = {}
    for member, times in written.items():
        xp, last = 0, 0
        for at in times:
            if at >= last + COOLDOWN_MS:
                xp, last = xp + LEVELS["message"], at
        board[member] = (xp, level_of(xp))
    return board


async def test_everybody_has_what_they_earned_and_the_level_it_makes(simulation, exporter):
    await simulation.start("--rate", "200", "--duration", "8s", "--seed", "31", "--guilds", "2")
    exporter.api_url = simulation.url
    exporter.settings = {
        "events": {"XP_GAIN": True, "LEVEL_UP": True},
        "levels": {**LEVELS, "quadratic": 0},
    }
    await exporter.start()
    await simulation.over()
    await exporter.verify(simulation.ledger)
    expected, board = expect(simulation.ledger), read_board(exporter)
    assert board == expected
    metrics = await exporter.metrics()
    assert metrics.total("discord_xp_total") == sum(xp for xp, _ in board.values())
    ups = metrics.total("discord_level_ups_total")
    assert ups == sum(level for _, level in board.values()) > 20
    assert await exporter.terminate() == 0
    await exporter.start(ready=False)  # Discord is gone by now
    await exporter.is_alive()
    assert "discord_level_ups_total{" not in (await exporter.metrics()).text
    assert await exporter.terminate() == 0
    assert read_board(exporter) == expected
