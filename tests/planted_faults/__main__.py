"""Plants every fault in turn and prints the test that fails by it; ends with 1 if a fault goes unnoticed.

``python -m tests.planted_faults`` takes parts of names; without any all faults are planted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.planted_faults.planting import FAULTS, copy_tree, failing, planted

UNNOTICED = "no test fails"


def main(parts: Sequence[str]) -> int:
    chosen = [fault for fault in FAULTS if not parts or any(part in fault.name for part in parts)]
    unnoticed = 0
    with tempfile.TemporaryDirectory() as directory:
        tree = copy_tree(Path(directory) / "tree")
        tests = sorted({test for fault in chosen for test in fault.tests})
        if (found := failing(tree, tests)) != ():
            print(f"without a fault: {found or 'the tests cannot be run'}")
            return 1
        print("| fault | promise | test that fails | s |\n| --- | --- | --- | --- |")
        for fault in chosen:
            for test in fault.tests:
                began = time.monotonic()
                with planted(tree, fault):
                    found = failing(tree, [test])
                unnoticed += not found
                failed = found[0] if found else f"**{UNNOTICED}**" if found == () else "**cannot be run**"
                seconds = time.monotonic() - began
                print(f"| {fault.name} | {fault.promise} | {failed} | {seconds:.1f} |", flush=True)
    print(f"\n{len(chosen)} faults, {unnoticed} unnoticed")
    return int(unnoticed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
