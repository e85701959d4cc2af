from __future__ import annotations

from tests.faults.disk import faulty_disk, faulty_disk_library, small_volume

__all__ = ["faulty_disk", "faulty_disk_library", "small_volume"]
