"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm

from glowjax import processes
from glowjax.train.progress import SECONDS_BETWEEN_LINES, SafeStream


@contextlib.contextmanager
def shown(work: str, unit: str = "row") -> Iterator[Callable[[int, int], None]]:
    """A function `(done, total)` that shows how far `work` has come, for the `on_progress` of `glowjax.analysis`."""
    stream = SafeStream(sys.stderr)
    seconds = 0.1 if stream.isatty() else SECONDS_BETWEEN_LINES
    with tqdm(
        desc=work, unit=unit, file=stream, mininterval=seconds, dynamic_ncols=True, disable=processes.is_follower()
    ) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield report


def announce(work: str) -> None:
    """Shows that work begins of which no progress is known."""
    if not processes.is_follower():
        SafeStream(sys.stderr).write(f"{work}\n")
