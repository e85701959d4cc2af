"""``python -m dashboards ROOT`` writes every file of the repository that comes from here."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.output import write

write(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
