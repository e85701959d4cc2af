"""Writes the generated files into the directory named as the only argument, ``docs`` by default."""

from __future__ import annotations

import pathlib
import sys

from exporter.reference.pages import write_pages


def main() -> None:
    """Write every page."""
    directory = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in write_pages().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
