"""``make goldens`` writes every golden anew (``python -m tests.goldens.writing``)."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from pydantic import SecretStr

from exporter.sinks.sql.config import SqlConfig
from exporter.sinks.sql.migration import migrate
from tests.goldens.page import FOLDER, write_page
from tests.goldens.stage import CATALOGUE


async def write_anew() -> None:
    FOLDER.mkdir(exist_ok=True)
    for stale in {path.stem for path in FOLDER.glob("*.txt")} - CATALOGUE.events.keys():
        (FOLDER / f"{stale}.txt").unlink()
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "template.db"
        await migrate(SqlConfig(dsn=SecretStr(f"sqlite:///{template}")))
        for kind in CATALOGUE.events:
            scratch = Path(folder) / f"{kind}.db"
            shutil.copy(template, scratch)
            text = await write_page(kind, scratch)
            (FOLDER / f"{kind}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(write_anew())
