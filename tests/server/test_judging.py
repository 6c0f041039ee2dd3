"""A child judges a file; its parent takes what it made, or says which limit it has met."""

from __future__ import annotations

import os
import re
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from bw_exporter.errors import ConfigError, Problem
from bw_exporter.serving.judging import Judgement, Limits, judge
from support.exporter import eventually

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

SHORT = Limits(seconds=0.5, memory_bytes=64 << 20)


def test_what_the_child_made_comes_whole_however_large():
    made = {"bytes": os.urandom(5 << 20), "list": [1, 2]}
    assert judge("file", lambda: made) == made


def test_what_is_wrong_with_a_file_is_raised_as_it_was():
    problems = (Problem("a", "b"), Problem("c", "d"))

    def refuse() -> NoReturn:
        raise ConfigError("file", problems)

    with pytest.raises(ConfigError) as caught:
        judge("file", refuse)
    assert caught.value.problems == problems


def waits_for_a_writer(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "fifo").read_bytes()


def is_stopped(_folder: Path) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def blocks_every_signal(_folder: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(60)


def matches_for_ever(_folder: Path) -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


@pytest.mark.parametrize("load", [waits_for_a_writer, is_stopped, blocks_every_signal, matches_for_ever])
def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path, load: Callable[[Path], None]):
    judgement = Judgement("tenants.yaml", lambda: load(tmp_path), SHORT)
    with pytest.raises(ConfigError, match=r"tenants.yaml: file: is not judged after 0.5 s; make it smaller"):
        judgement.result()
    eventually(lambda: not Path(f"/proc/{judgement._pid}").exists())


def test_a_file_that_takes_too_much_memory_is_given_up():
    with pytest.raises(ConfigError, match="takes more than 64 MiB of memory to judge"):
        judge("tenants.yaml", lambda: bytearray(1 << 30), SHORT)


def test_a_child_that_is_killed_is_said_to_be():
    with pytest.raises(ConfigError, match="ended the process that judged it, perhaps for want of memory"):
        judge("tenants.yaml", lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(ConfigError, match="ended the process that judged it"):
        judge("tenants.yaml", lambda: os._exit(3))


def test_a_fault_of_ours_is_no_mistake_of_the_file():
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        judge("tenants.yaml", lambda: 1 // 0)


def test_the_child_has_none_of_our_files_and_sockets_and_all_signals_as_new():
    with Path(os.devnull).open("rb") as _held:
        before = signal.signal(signal.SIGUSR1, lambda *_: None)
        try:
            open_files, handler, blocked = judge("file", _surroundings)
        finally:
            signal.signal(signal.SIGUSR1, before)
    assert (
        len(open_files) == 5
    )  # standard input, output and error, the pipe, and the folder that is being listed
    assert handler == signal.SIG_DFL
    assert blocked == set()


def _surroundings() -> tuple[list[str], object, set[int]]:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return (
        [each.name for each in Path("/proc/self/fd").iterdir()],
        signal.getsignal(signal.SIGUSR1),
        set(blocked),
    )


def test_a_judgement_that_is_stopped_leaves_no_process_and_no_file_open():
    before = len([*Path("/proc/self/fd").iterdir()])
    judgement = Judgement("file", lambda: time.sleep(60))
    judgement.stop()
    assert not Path(f"/proc/{judgement._pid}").exists()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_limits_are_the_childs_alone():
    before = resource.getrlimit(resource.RLIMIT_AS)
    judge("file", int, SHORT)
    assert resource.getrlimit(resource.RLIMIT_AS) == before
