"""``simulate --scenario raid``: as many as ``RAIDERS`` says join and are banned within ``RAID_SECONDS``."""

from __future__ import annotations

import os

from discord_simulator import scenarios
from exporter.__main__ import main

SECONDS = float(os.environ["RAID_SECONDS"])

scenarios._RAIDERS = int(os.environ["RAIDERS"])
scenarios._RAID_SECONDS = SECONDS * 0.75
scenarios._BAN_SECONDS = SECONDS * 0.25
scenarios._RAID_EVERY = 10 * SECONDS

if __name__ == "__main__":
    main()
