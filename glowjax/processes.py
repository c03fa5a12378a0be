"""Several processes that train one model, each with its own devices: they start, agree and end together.

All processes must call these functions in the same order, since each waits for the others. With a single process they
return their argument.
"""

import json
import os
import re
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from glowjax import watch
from glowjax.checks import InputError
from glowjax.watch import Watch

HEARTBEAT_SECONDS = 60
"""JAX ends the other processes this long after a machine is lost. `Watch` notices sooner if only a process ends."""

PART_SECONDS = 3.0
"""The time for which a process that ends waits for the others to end as well."""

START_SECONDS = 300
"""The time in which all processes must have started."""

TASKS = {
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
}
"""The environment variables of launchers: {number of tasks: number of this task}."""

ResultT = TypeVar("ResultT")


class OtherProcessError(InputError):
    """Ends the other processes after an InputError of the first process, which prints the message."""


_watch: Watch | None = None


def initialize(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Connects this process with the others. Call it before any other use of JAX, and `finalize` at the end.

    By default, the arguments come from the environment of Slurm, Open MPI, Kubernetes or a TPU pod. From then on, this
    process ends with an error soon after another process has ended.

    Args:
        coordinator: host:port of the first process.
        num_processes: number of processes.
        process_id: number of this process, counted from 0.
    """
    global _watch
    if coordinator is not None:
        _check_address(coordinator, is_own=process_id == 0)
    jax.config.update("jax_enable_preemption_service", False)  # it would take over SIGTERM, so that nothing is saved
    sys.excepthook = _end_at_once
    timer = threading.Timer(START_SECONDS, _give_up)
    timer.daemon = True
    timer.start()
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=2 * START_SECONDS,  # JAX would abort with a stack trace
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (ValueError, TypeError, RuntimeError, OSError) as error:
        raise InputError(
            f"The processes could not be connected ({str(error).strip().splitlines()[0]}); start all of them under "
            "Slurm, Open MPI, Kubernetes or on a TPU pod, or name --coordinator HOST:PORT, --num-processes and "
            "--process-id."
        ) from error
    finally:
        timer.cancel()
    if jax.process_count() > 1:
        _watch = Watch(jax.process_index(), _from_first)


def _check_address(coordinator: str, is_own: bool) -> None:
    """Raises InputError unless this is HOST:PORT and, if it is this machine's, the port is free."""
    port = coordinator.rpartition(":")[2]
    if ":" not in coordinator or not port.isdecimal():
        raise InputError(f"The coordinator is '{coordinator}'; expected HOST:PORT, such as node1:1234.")
    if is_own:
        try:
            socket.create_server(("", int(port))).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"Port {port} of this machine cannot be used ({error}); name another one.") from error


def _give_up() -> None:
    """Ends this process, because the others have not connected in time."""
    print(
        f"error: Not all processes have connected within {START_SECONDS} seconds; check that all were started, that "
        "they name the same coordinator, and that its port is free and can be reached from every machine.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def finalize() -> None:
    """Waits until all processes have called this, and closes the connections."""
    if _watch is not None:
        agree(False)
        part()


def part() -> None:
    """Closes the connections, if the other processes do the same within a few seconds.

    Otherwise only this process ends. The others notice it as soon as its connection closes.
    """
    global _watch
    if _watch is not None:
        leave = threading.Thread(target=jax.distributed.shutdown, daemon=True)
        leave.start()
        leave.join(PART_SECONDS)
        if not leave.is_alive():
            _watch.close()
            _watch = None


def end_if_lost(error: Exception) -> None:
    """If the error means that the connection to another process was lost, ends this process with a sentence."""
    if _watch is not None and re.search(r"gloo|nccl|connection|coordination", str(error), re.IGNORECASE):
        watch.end("another process")


def end(code: int) -> NoReturn:
    """Ends this process with an exit status. If it is still connected, it does not wait for the others."""
    if _watch is None:
        raise SystemExit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_at_once(*error: Any) -> None:
    """Prints the traceback and ends the process at once, whereas JAX would wait for the others."""
    sys.__excepthook__(*error)
    sys.stderr.flush()
    os._exit(1)


def refuse_unconnected_tasks() -> None:
    """Raises InputError if a launcher has started several tasks, which would all do the same work."""
    for size, rank in TASKS.items():
        if os.environ.get(size, "").isdecimal() and int(os.environ[size]) > 1:
            raise InputError(
                f"This is task {os.environ.get(rank, '?')} of {os.environ[size]}, but the tasks are not connected and "
                "would all do the same work; add --distributed to connect them, or start one task."
            )


def is_primary() -> bool:
    """Whether this is the first process, the only one that writes and prints."""
    return jax.process_index() == 0


def is_follower() -> bool:
    """Whether this process is connected with others and is not the first one. This does not start JAX."""
    return _watch is not None and not is_primary()


def agree(flag: bool) -> bool:
    """Whether `flag` is True in any process."""
    return bool(max_of(int(flag)))


def max_of(number: int) -> int:
    """The largest `number` of all processes."""
    return max(int(one[0]) for one in gather(np.array([number], np.int32)))


def gather(tree: Any) -> list[Any]:
    """The trees of arrays of all processes, in order. Structure, shapes and dtypes must be the same in all."""
    tree = jax.tree.map(np.asarray, tree)
    if jax.process_count() == 1:
        return [tree]
    return [_unpacked(data, tree) for data in _combined(_same, _packed(tree))]


def broadcast(tree: Any) -> Any:
    """The first process's tree of arrays, with the same bits. Structure, shapes and dtypes must be the same in all."""
    tree = jax.tree.map(np.asarray, tree)
    if jax.process_count() == 1:
        return tree
    own = _packed(tree)
    return _unpacked(_combined(_sum, own if is_primary() else np.zeros_like(own)), tree)


def broadcast_json(value: Any) -> Any:
    """The value of the first process. JSON must be able to hold it."""
    return json.loads(_from_first(json.dumps(value).encode()))


def on_first_process(work: Callable[[], ResultT]) -> ResultT | None:
    """Calls `work` on the first process; the others wait and return None. Its InputError is raised in all."""
    if jax.process_count() == 1:
        return work()
    result, error = None, None
    if is_primary():
        try:
            result = work()
        except InputError as raised:
            error = raised
    message = broadcast_json(error and str(error))
    if error is not None:
        raise error
    if message is not None:
        raise OtherProcessError(message)
    return result


def _from_first(data: bytes) -> bytes:
    """The bytes of the first process."""
    if jax.process_count() == 1:
        return data
    length = int(broadcast(np.array(len(data), np.int32)))
    size = 1 << max(8, length.bit_length())  # a power of two, so that few programs are compiled
    padded = np.frombuffer(data.ljust(size, b" ") if is_primary() else bytes(size), np.uint8)
    return bytes(broadcast(padded).tobytes()[:length])


def _packed(tree: Any) -> np.ndarray:
    """The bytes of all arrays of a tree."""
    parts = [np.ascontiguousarray(leaf).reshape(-1).view(np.uint8) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([np.zeros(0, np.uint8), *parts])


def _unpacked(data: np.ndarray, like: Any) -> Any:
    """The tree of arrays with these bytes, and with the structure, shapes and dtypes of `like`."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([leaf.nbytes for leaf in leaves], dtype=np.int64)
    parts = [data[end - leaf.nbytes : end] for leaf, end in zip(leaves, ends, strict=True)]
    arrays = [part.copy().view(leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, arrays)


def _combined(combine: Callable[[Any], Any], data: np.ndarray) -> np.ndarray:
    """`combine` applied to the bytes [B] of all processes, stacked to [P, B]. Numbers sent as bytes keep their bits."""
    first = {device.process_index: device for device in sorted(jax.devices(), key=lambda one: -one.id)}
    mesh = Mesh(np.array([first[index] for index in range(jax.process_count())]), ("processes",))
    shards = [jax.device_put(data[None], first[jax.process_index()])]
    sharding = NamedSharding(mesh, PartitionSpec("processes"))
    stacked = jax.make_array_from_single_device_arrays((jax.process_count(), data.size), sharding, shards)
    whole = jax.jit(combine, out_shardings=NamedSharding(mesh, PartitionSpec()))(stacked)
    return np.asarray(whole.addressable_data(0))


def _same(x: jax.Array) -> jax.Array:
    return x


def _sum(x: jax.Array) -> jax.Array:
    return jnp.sum(x, axis=0, dtype=x.dtype)
