"""Runs one row in a process of its own: `python -m benchmarks.faults.worker ROW FOLDER SHARED REPEATS SEED`.

Each trial is a line of JSON. So a row that crashes, hangs or needs too much memory disturbs no other.
"""

import dataclasses
import json
import random
import sys
import time
import traceback
from pathlib import Path

from benchmarks.faults.row import Lab, Trial, rows


def main(name: str, folder: str, shared: str, repeats: str, seed: str) -> None:
    """Prints the trials of a row."""
    lab = Lab(Path(folder), Path(shared), int(repeats), random.Random(f"{name} {seed}"))
    before = time.monotonic()
    output, sys.stdout = sys.stdout, sys.stderr  # what the library prints is not a trial
    try:
        for one in rows()[name].trials(lab):
            now = time.monotonic()
            print(
                json.dumps(dataclasses.asdict(dataclasses.replace(one, seconds=now - before))), file=output, flush=True
            )
            before = now
    except Exception as error:
        traceback.print_exc()
        failed = Trial("the row itself", f"{type(error).__name__}: {error}"[:500], time.monotonic() - before)
        print(json.dumps(dataclasses.asdict(failed)), file=output, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
