"""Several processes that train one model, each with devices of its own: how they start, agree and end together.

Every process calls these functions in the same order, since each waits for the others. With a single process they
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
"""The time after which JAX ends the other processes if the machine of one is lost; `Watch` notices the rest sooner."""

PART_SECONDS = 3.0
"""The time that a process which ends with an error waits for others that do."""

START_SECONDS = 300
"""The time in which all processes must have started."""

TASKS = {
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
}
"""The environment variables in which launchers tell a task the number of tasks, and those of its own number."""

ResultT = TypeVar("ResultT")


class OtherProcessError(InputError):
    """An InputError of the first process, which tells it to the user; the other processes end with it."""


_watch: Watch | None = None


def initialize(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Connects this process with the others of a training, before any other use of JAX.

    Without arguments, the environment tells them: Slurm, Open MPI, Kubernetes or a TPU pod. From then on, this process
    ends with an error soon after another one has ended; call `finalize` at the end.

    Args:
        coordinator: host:port of the first process.
        num_processes: number of processes.
        process_id: number of this process, counted from 0.
    """
    global _watch
    if coordinator is not None:
        _check_address(coordinator, is_own=process_id == 0)
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from those who save
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
    timer.cancel()
    if jax.process_count() > 1:
        _watch = Watch(jax.process_index(), _from_first)


def _check_address(coordinator: str, is_own: bool) -> None:
    """Raises InputError unless this is HOST:PORT, with a port that is free if it is this machine's."""
    port = coordinator.rpartition(":")[2]
    if ":" not in coordinator or not port.isdecimal():
        raise InputError(f"The coordinator is '{coordinator}'; expected HOST:PORT, such as node1:1234.")
    if is_own:
        try:
            socket.create_server(("", int(port))).close()
        except (OSError, OverflowError) as error:
            raise InputError(f"Port {port} of this machine cannot be used ({error}); name another one.") from error


def _give_up() -> None:
    """Ends this process, since the others have not come."""
    print(
        f"error: Not all processes have connected within {START_SECONDS} seconds; check that all were started, that "
        "they name the same coordinator, and that its port is free and can be reached from every machine.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def finalize() -> None:
    """Waits for the other processes, which call this as well, and takes leave of them."""
    if _watch is not None:
        agree(False)
        part()


def part() -> None:
    """Takes leave of the other processes, unless they do not do so, too, within a few seconds.

    In that case this process has ended alone. The others notice it as soon as its connection to them closes.
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
    """Ends this process with a sentence if the error says that the connection with another one was lost."""
    if _watch is not None and re.search(r"gloo|nccl|connection|coordination", str(error), re.IGNORECASE):
        watch.end("another process")


def end(code: int) -> NoReturn:
    """Ends this process with an exit status; it does not wait for processes of which it could not take leave."""
    if _watch is None:
        raise SystemExit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _end_at_once(*error: Any) -> None:
    """Prints the traceback and ends the process, without the wait for the others with which JAX ends it."""
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
    """Whether this is the first process, which alone writes and prints."""
    return jax.process_index() == 0


def is_follower() -> bool:
    """Whether this process was connected with others and is not the first one. Does not start JAX."""
    return _watch is not None and not is_primary()


def agree(flag: bool) -> bool:
    """Whether any process passes True."""
    return bool(max_of(int(flag)))


def max_of(number: int) -> int:
    """The largest number that a process passes."""
    return max(int(one[0]) for one in gather(np.array([number], np.int32)))


def gather(tree: Any) -> list[Any]:
    """The trees of arrays of all processes, in their order. They have the same structure, shapes and dtypes."""
    tree = jax.tree.map(np.asarray, tree)
    if jax.process_count() == 1:
        return [tree]
    return [_unpacked(data, tree) for data in _combined(_same, _packed(tree))]


def broadcast(tree: Any) -> Any:
    """The tree of arrays of the first process, with the same bits. All pass the same structure, shapes and dtypes."""
    tree = jax.tree.map(np.asarray, tree)
    if jax.process_count() == 1:
        return tree
    own = _packed(tree)
    return _unpacked(_combined(_sum, own if is_primary() else np.zeros_like(own)), tree)


def broadcast_json(value: Any) -> Any:
    """The value of the first process, which JSON can hold."""
    return json.loads(_from_first(json.dumps(value).encode()))


def on_first_process(work: Callable[[], ResultT]) -> ResultT | None:
    """`work()` on the first process, None on the others, after it is done. Its InputError reaches all of them."""
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
    size = 1 << max(8, length.bit_length())  # a power of two, so that few programs serve all lengths
    padded = np.frombuffer(data.ljust(size, b" ") if is_primary() else bytes(size), np.uint8)
    return bytes(broadcast(padded).tobytes()[:length])


def _packed(tree: Any) -> np.ndarray:
    """The bytes of all arrays of a tree."""
    parts = [np.ascontiguousarray(leaf).reshape(-1).view(np.uint8) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([np.zeros(0, np.uint8), *parts])


def _unpacked(data: np.ndarray, like: Any) -> Any:
    """The tree of arrays with these bytes and the structure, shapes and dtypes of `like`."""
    leaves, structure = jax.tree.flatten(like)
    ends = np.cumsum([leaf.nbytes for leaf in leaves], dtype=np.int64)
    parts = [data[end - leaf.nbytes : end] for leaf, end in zip(leaves, ends, strict=True)]
    arrays = [part.copy().view(leaf.dtype).reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(structure, arrays)


def _combined(combine: Callable[[Any], Any], data: np.ndarray) -> np.ndarray:
    """`combine` of the bytes [B] of all processes, stacked to [P, B]. Bytes, so that numbers keep their bits."""
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
