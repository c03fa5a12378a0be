"""A command ends in one line, whatever becomes of its streams, and refuses settings with which JAX cannot work."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import process
from experiments.process import MAX_CPU_DEVICES, MIN_ADDRESS_SPACE, SIGNALS, Stream, misconfigured
from glowjax.train import signals

ROOT = Path(__file__).parents[2]
COMMAND = "import os, sys, time\nfrom experiments import process\n"


def started(work, launcher=(), **options):
    """A process that runs the lines of `work` as a command; it imports the standard library alone."""
    program = COMMAND + f"def work():\n  {work}\nprocess.run(work)\nprint('after')"
    words = [*launcher, sys.executable, "-c", program]
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(60)",
        "\n  while True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass",
        "\n  try: time.sleep(60)\n  except KeyboardInterrupt: raise ImportError('numpy')",
        "\n  class Lost:\n    def __del__(self): print(flush=True); time.sleep(60)\n  Lost()\n  time.sleep(60)",
    ],
    ids=["at work", "swallowed", "made into another error", "lost in a callback"],
)
def test_each_signal_ends_a_command_with_one_line_and_its_status(work):
    work = f"print('ready', flush=True)\n  {work.lstrip()}"
    processes = {number: started(work, stdout=subprocess.PIPE) for number in SIGNALS}
    for number, one in processes.items():
        one.stdout.readline()
        one.send_signal(number)
    for number, one in processes.items():
        output, errors = one.communicate(timeout=20)
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        assert one.returncode == 128 + number
        assert errors == f"Interrupted by {name}. The same command goes on from what was saved.\n"
        assert "after" not in output


def test_a_signal_whose_interrupt_was_lost_reaches_the_code_that_takes_over():
    lost = "class Lost:\n    def __del__(self): print('ready', flush=True); time.sleep(60)\n  Lost()"
    one = started(
        f"import signal\n  {lost}\n  signal.signal(15, lambda *_: os._exit(7))\n  time.sleep(60)",
        stdout=subprocess.PIPE,
    )
    one.stdout.readline()
    one.send_signal(signal.SIGTERM)
    _, errors = one.communicate(timeout=20)
    assert (one.returncode, errors) == (7, "")


def test_a_signal_during_an_import_ends_the_process_before_the_module_sees_it(tmp_path):
    module = (
        "import sys, time\nprint('ready', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('seen')"
    )
    (tmp_path / "slow.py").write_text(module)
    one = started(f"sys.path.append({str(tmp_path)!r}); import slow", stdout=subprocess.PIPE)
    one.stdout.readline()
    time.sleep(0.3)  # until it sleeps
    one.send_signal(signal.SIGINT)
    output, errors = one.communicate(timeout=20)
    assert (one.returncode, output) == (130, "")
    assert errors == "Interrupted by Ctrl-C. The same command goes on from what was saved.\n"


def test_a_signal_that_is_ignored_stays_ignored():
    work = "import signal; os.kill(os.getpid(), signal.SIGHUP)"
    one = started(work, launcher=("sh", "-c", 'trap "" HUP; exec "$0" "$@"'), stdout=subprocess.PIPE)
    output, _ = one.communicate(timeout=20)
    assert (one.returncode, output) == (0, "after\n")


def test_streams_that_are_closed_or_full_stop_no_work_and_files_stay_as_they_are(tmp_path):
    work = f"file = open('{tmp_path}/file', 'wb'); print('out'); print('err', file=sys.stderr)\n"
    work += "  assert not os.system('test -e /dev/fd/1 -a -e /dev/fd/2'); file.write(b'content'); file.close()"
    for redirection in (">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true"):
        program = COMMAND + f"def work():\n  {work}\nprocess.run(work)\nprint('after')"
        command = f'"{sys.executable}" -c "$0" {redirection}; exit ${{PIPESTATUS[0]}}'
        done = subprocess.run(["bash", "-c", command, program], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, "Error" in done.stderr) == (0, False), redirection
        assert (tmp_path / "file").read_bytes() == b"content", redirection


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_stream_drops_what_it_cannot_write():
    with open("/dev/full", "wb", buffering=0) as full:
        assert Stream(full.fileno(), "w", closefd=False).write(b"lost") == 4


@pytest.mark.parametrize("value", ["0", "x", "1.5", "-2", "", str(MAX_CPU_DEVICES + 1), "100000"])
def test_a_number_of_devices_with_which_jax_fails_or_hangs_is_refused(value):
    assert f"JAX_NUM_CPU_DEVICES is '{value}'; expected" in misconfigured({"JAX_NUM_CPU_DEVICES": value})
    flag = f"--xla_force_host_platform_device_count={value}"
    assert not value or "expected a whole number" in misconfigured({"XLA_FLAGS": flag})


def test_other_settings_are_refused_only_if_jax_cannot_work_with_them(monkeypatch):
    assert "JAX_TRANSFER_GUARD is 'disallow'" in misconfigured({"JAX_TRANSFER_GUARD": "disallow"})
    good = {"JAX_NUM_CPU_DEVICES": "8", "JAX_TRANSFER_GUARD": "log", "XLA_FLAGS": "--xla_cpu_enable_fast_math=false"}
    assert misconfigured({}) == misconfigured(good) == misconfigured({"JAX_NUM_CPU_DEVICES": "-1"}) == ""
    monkeypatch.setattr(process, "address_space", lambda: MIN_ADDRESS_SPACE - 1.0)
    assert "ulimit -v" in misconfigured({})


def test_training_handles_the_same_signals():
    """The list stands twice, because `experiments.process` must not import JAX."""
    assert SIGNALS == signals.SIGNALS
