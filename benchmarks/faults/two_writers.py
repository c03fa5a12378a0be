"""Two processes that train into one folder."""

import time
from collections.abc import Iterator

from benchmarks.faults import runs
from benchmarks.faults.row import Lab, Trial, row, trial
from benchmarks.faults.signals import LONG


@row("A second process in the folder of a run", "refused in a sentence that names the first, which is not disturbed")
def two_writers(lab: Lab) -> Iterator[Trial]:
    """Starts the second together with the first, a little later, and in the middle of its training."""
    base = lab.path("undisturbed")
    runs.run(lab, runs.words(base, **LONG))
    for delay in (0.0, 1.0, None):
        out = lab.path("shared")
        logs = [out.with_suffix(f".{number}.log") for number in (1, 2)]
        first = runs.start(lab, runs.words(out, **LONG), logs[0])
        if delay is None:
            runs.wait_for_step(out, 40, first)
        else:
            time.sleep(delay)
        second = runs.start(lab, runs.words(out, **LONG), logs[1])
        ends = [runs.ended(process, log) for process, log in zip((first, second), logs, strict=True)]
        trained, refused = sorted(ends, key=lambda end: end.code or 0)
        holder = (first, second)[ends.index(trained)]
        claims = {
            "one trains": trained.code == 0,
            "one is refused with exit 2": refused.code == 2,
            "no traceback": all(end.is_orderly for end in ends),
            f"the sentence names process {holder.pid}": str(holder.pid) in refused.stderr,
            "the same bits": runs.bits(out) == runs.bits(base),
            "the same metrics": runs.metrics(out) == runs.metrics(base),
        }
        yield trial("together" if delay == 0 else f"after {delay} s" if delay else "in training", claims, ends[0:2])


@row("The folder of a process that was killed", "the next one takes it over at once")
def dead_holder(lab: Lab) -> Iterator[Trial]:
    """Kills the process that holds the folder."""
    for _ in range(2):
        out = lab.path("dead")
        process = runs.start(lab, runs.words(out, **LONG))
        runs.wait_for_step(out, 40, process)
        runs.stop(process)
        done = runs.run(lab, runs.words(out, **LONG))
        process.wait()
        yield trial("killed", {"exit 0": done.code == 0, "trained": max(runs.steps(out)) == LONG["steps"]}, done)
