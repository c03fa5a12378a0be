"""Connect the processes of an experiment. Only the first process prints and writes."""

import contextlib
import dataclasses
import io
import sys
import warnings
from collections.abc import Iterator
from typing import TypeVar

import jax

from experiments.report.options import Distributed
from glowjax import processes
from glowjax.processes import OtherProcessError

ConfigT = TypeVar("ConfigT")


class Nowhere(io.TextIOBase):
    """A text stream that drops everything."""

    def write(self, text: str) -> int:
        """Drops the text."""
        return len(text)


@contextlib.contextmanager
def connected(config: ConfigT) -> Iterator[ConfigT]:
    """A block in which the processes that the options name work together. Only the first process prints.

    Yields the configuration without these options, as a single process would have it. Raises InputError if a launcher
    has started several tasks but the options do not connect them.
    """
    given = config if isinstance(config, Distributed) else Distributed()
    if not (given.distributed or given.coordinator):
        processes.refuse_unconnected_tasks()
        yield config
        return
    processes.initialize(given.coordinator, given.num_processes, given.process_id)
    if processes.is_follower():
        warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(Nowhere()) if processes.is_follower() else contextlib.nullcontext():
            yield dataclasses.replace(config, **vars(Distributed()))  # type: ignore[type-var]
    except (KeyboardInterrupt, OtherProcessError):
        if processes.is_follower():
            sys.stderr = Nowhere()  # the first process prints the reason
        processes.part()
        raise
    except BaseException as error:
        if isinstance(error, jax.errors.JaxRuntimeError):
            processes.end_if_lost(error)
        processes.part()
        raise
    processes.finalize()
