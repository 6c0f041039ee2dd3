"""Group commit alone, over a commit that the test holds in its hand."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from queue import SimpleQueue
from typing import Any

import pytest

from bw_exporter.errors import StoreUnavailableError
from bw_exporter.store.group_commit import LARGEST_GROUP, GroupCommit, each_alone
from support.patience import limit

Works = Sequence[Callable[[Any], Any]]
Outcomes = list[tuple[Any, BaseException | None]]

SOON = limit(30)


def outcomes(works: Works) -> Outcomes:
    """What a commit without a store gives."""
    given: Outcomes = []
    for work in works:
        try:
            given.append((work(None), None))
        except Exception as error:  # noqa: BLE001 - the work's own
            given.append((None, error))
    return given


class NoTurn:
    """A turn that is always free."""

    def acquire(self, *, wait: bool = True) -> bool:  # noqa: ARG002 - see group_commit.Turn
        return True

    def release(self) -> None:
        pass


class HookedTurn(NoTurn):
    """A turn that does something before it is had."""

    def __init__(self, hook: Callable[[], object]) -> None:
        self.hook = hook

    def acquire(self, *, wait: bool = True) -> bool:
        self.hook()
        return super().acquire(wait=wait)


class LockTurn:
    """A turn that another process could hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def acquire(self, *, wait: bool = True) -> bool:
        return self.lock.acquire(blocking=wait)

    def release(self) -> None:
        self.lock.release()


class Gate:
    """A commit that waits until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Semaphore(0)
        self.groups: list[int] = []

    def __call__(self, works: Works) -> Outcomes:
        self.groups.append(len(works))
        self.entered.release()
        assert self.open.acquire(timeout=SOON)
        return outcomes(works)


def queued(group: GroupCommit, number: int) -> None:
    deadline = time.monotonic() + SOON
    while len(group._waiting) < number and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(group._waiting) == number


def test_all_who_wait_are_committed_together_by_the_next_leader() -> None:
    gate = Gate()
    group = GroupCommit(gate, SOON, NoTurn())
    with ThreadPoolExecutor(10) as pool:
        first = pool.submit(group.run, lambda _: "first")
        assert gate.entered.acquire(timeout=SOON)
        others = [pool.submit(group.run, lambda _, n=n: n) for n in range(9)]  # type: ignore[misc]
        queued(group, 9)
        gate.open.release(2)
        assert first.result(SOON) == "first"
        assert [other.result(SOON) for other in others] == list(range(9))
    assert gate.groups == [1, 9]


def test_a_group_has_an_end_even_if_the_queue_has_none() -> None:
    gate = Gate()
    group = GroupCommit(gate, SOON, NoTurn())
    number = LARGEST_GROUP + 5
    with ThreadPoolExecutor(number + 1) as pool:
        results = [pool.submit(group.run, lambda _: None)]
        assert gate.entered.acquire(timeout=SOON)
        results += [pool.submit(group.run, lambda _: None) for _ in range(number)]
        queued(group, number)
        gate.open.release(3)
        assert not wait(results, SOON).not_done
    assert gate.groups == [1, LARGEST_GROUP, 5]


def test_who_gives_up_leaves_the_queue_and_the_others_go_on() -> None:
    gate = Gate()
    group = GroupCommit(gate, 0.05, NoTurn())
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(group.run, lambda _: "first")
        assert gate.entered.acquire(timeout=SOON)
        for late in [pool.submit(group.run, lambda _: "late") for _ in range(3)]:
            with pytest.raises(StoreUnavailableError, match="did not commit within"):
                late.result(SOON)
        gate.open.release()
        assert first.result(SOON) == "first"
        gate.open.release()
        assert group.run(lambda _: "after") == "after"
    assert gate.groups == [1, 1]


def test_who_is_made_leader_while_giving_up_leads() -> None:
    """The hand-off may come between the timeout and the lock."""
    gate = Gate()
    group = GroupCommit(gate, 0.05, NoTurn())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(group.run, lambda _: "first")
        assert gate.entered.acquire(timeout=SOON)
        second = pool.submit(group.run, lambda _: "second")
        queued(group, 1)
        with group._mutex:
            time.sleep(0.2)  # the second's patience ends and it waits for the mutex
            ticket = group._waiting[0]
            ticket.leads = True
            ticket.wake.release()
        # It leads now, beside the first: what the first finds at its end is an empty queue.
        assert gate.entered.acquire(timeout=SOON)
        gate.open.release(2)
        assert (first.result(SOON), second.result(SOON)) == ("first", "second")
    gate.open.release()
    assert group.run(lambda _: "after") == "after"


@pytest.mark.parametrize("error", [StoreUnavailableError("away"), MemoryError(), SystemExit(1)])
def test_a_commit_that_fails_fails_for_all_of_its_group_and_for_no_other(error: BaseException) -> None:
    gate, failing = Gate(), threading.Event()

    def commit(works: Works) -> Outcomes:
        given = gate(works)
        if failing.is_set():
            failing.clear()
            raise error
        return given

    group = GroupCommit(commit, SOON, NoTurn())
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(group.run, lambda _: "first")
        assert gate.entered.acquire(timeout=SOON)
        others = [pool.submit(group.run, lambda _: "other") for _ in range(4)]
        queued(group, 4)
        gate.open.release()
        assert first.result(SOON) == "first"
        assert gate.entered.acquire(timeout=SOON)
        failing.set()
        gate.open.release()
        for other in others:
            with pytest.raises(type(error)):
                other.result(SOON)
        gate.open.release()
        assert group.run(lambda _: "after") == "after"


def test_who_comes_while_the_turn_is_awaited_is_in_the_group() -> None:
    turn, gate = LockTurn(), Gate()
    group = GroupCommit(gate, SOON, turn)
    with ThreadPoolExecutor(6) as pool:
        with turn.lock:
            results = [pool.submit(group.run, lambda _, n=n: n) for n in range(6)]  # type: ignore[misc]
            queued(group, 6)
        gate.open.release(2)
        assert [result.result(SOON) for result in results] == list(range(6))
    assert gate.groups == [6]


def test_a_turn_that_cannot_be_taken_fails_for_those_who_wait_and_for_no_other() -> None:
    broken = threading.Event()
    broken.set()

    def lock() -> None:
        if broken.is_set():
            raise OSError("no lock")

    group = GroupCommit(outcomes, SOON, HookedTurn(lock))
    with ThreadPoolExecutor(4) as pool:
        for result in [pool.submit(group.run, lambda _: "never") for _ in range(20)]:
            with pytest.raises(OSError, match="no lock"):
                result.result(SOON)
        with pytest.raises(OSError, match="no lock"):
            group.try_run(lambda: "never")
        broken.clear()
        assert group.run(lambda _: "after") == "after"


def test_a_try_is_refused_at_once_while_anybody_else_commits_and_runs_where_nobody_does() -> None:
    turn, gate = LockTurn(), Gate()
    group = GroupCommit(gate, SOON, turn)
    with turn.lock:
        assert group.try_run(lambda: "never") is None, "another process has the turn"
    assert group.try_run(lambda: "mine") == "mine"
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(group.run, lambda _: "other")
        assert gate.entered.acquire(timeout=SOON)
        assert group.try_run(lambda: "never") is None, "another thread commits"
        gate.open.release()
        assert other.result(SOON) == "other"
    assert group.try_run(lambda: "mine") == "mine"
    assert not turn.lock.locked()


@pytest.mark.parametrize("error", [None, StoreUnavailableError("away")])
def test_who_comes_while_a_try_runs_is_committed_after_it(error: Exception | None) -> None:
    group = GroupCommit(outcomes, SOON, NoTurn())
    with ThreadPoolExecutor(3) as pool:
        results: list[Future[int]] = []

        def slow() -> str:
            results.extend(pool.submit(group.run, lambda _, n=n: n) for n in range(3))  # type: ignore[misc]
            queued(group, 3)
            if error:
                raise error
            return "mine"

        with pytest.raises(StoreUnavailableError) if error else nullcontext():
            assert group.try_run(slow) == "mine"
        assert [result.result(SOON) for result in results] == [0, 1, 2]
    assert not group._led


def test_what_was_submitted_is_committed_with_the_others_and_its_outcome_handed_over() -> None:
    gate = Gate()
    group = GroupCommit(gate, SOON, NoTurn())
    told: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def broken(_: object) -> None:
        raise KeyError("own")

    with ThreadPoolExecutor(1) as pool:
        group.submit(lambda _: "first", told.put)
        assert gate.entered.acquire(timeout=SOON)
        other = pool.submit(group.run, lambda _: "other")
        queued(group, 1)
        group.submit(lambda _: "second", told.put)
        group.submit(broken, told.put)
        withdraw = group.submit(lambda _: "withdrawn", told.put)
        assert withdraw()
        assert not withdraw()
        gate.open.release(2)
        assert other.result(SOON) == "other"
        assert [told.get(timeout=SOON)[0] for _ in range(2)] == ["first", "second"]
        assert isinstance(told.get(timeout=SOON)[1], KeyError)
    assert gate.groups == [1, 3]
    late = group.submit(lambda _: "late", told.put)
    assert gate.entered.acquire(timeout=SOON)
    assert gate.entered.acquire(timeout=SOON)
    assert not late(), "it has begun"
    gate.open.release()
    assert told.get(timeout=SOON) == ("late", None)
    assert told.empty()
    group.close()


def test_a_loop_is_woken_once_for_all_that_a_group_has_committed_of_it() -> None:
    gate = Gate()
    group = GroupCommit(gate, SOON, NoTurn())
    told: SimpleQueue[str] = SimpleQueue()

    def wake() -> None:
        told.put("woken")

    group.submit(lambda _: None, lambda _: told.put("first"), wake)
    assert gate.entered.acquire(timeout=SOON)
    for number in range(3):
        group.submit(lambda _: None, lambda _, number=number: told.put(f"{number}"), wake)  # type: ignore[misc]
    gate.open.release(2)
    assert [told.get(timeout=SOON) for _ in range(6)] == ["first", "woken", "0", "1", "2", "woken"]
    group.close()


def test_a_group_that_cannot_commit_is_told_to_whom_submitted_too() -> None:
    def away(_works: Works) -> Outcomes:
        raise StoreUnavailableError("away")

    group = GroupCommit(away, SOON, NoTurn())
    told: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    for _ in range(20):
        group.submit(lambda _: None, told.put)
    assert {str(told.get(timeout=SOON)[1]) for _ in range(20)} == {"away"}
    group.close()


def test_once_the_store_is_away_the_works_of_a_spoilt_group_are_refused_and_not_tried_one_after_the_other() -> (
    None
):
    def bad(_tx: object) -> None:
        raise ValueError("a fault of this work")

    def away(_tx: object) -> None:
        raise StoreUnavailableError("the store is away")

    tried: list[Callable[[Any], Any]] = []

    def alone(work: Callable[[Any], Any]) -> tuple[Any, BaseException | None]:
        tried.append(work)
        return outcomes([work])[0]

    good: Callable[[Any], int] = lambda _tx: 1  # noqa: E731
    found = each_alone([good, bad, good, away, good, good], alone)
    assert tried == [good, bad, good, away]
    assert [result for result, _ in found] == [1, None, 1, None, None, None]
    assert [type(error) for _, error in found[3:]] == [StoreUnavailableError] * 3


def test_an_outcome_is_never_missing_unseen() -> None:
    group = GroupCommit(lambda _works: [], SOON, NoTurn())
    with pytest.raises(ValueError, match="zip"):
        group.run(lambda _: None)


@pytest.mark.parametrize("patience", [0.002, SOON], ids=["impatient", "patient"])
def test_no_ticket_is_lost_and_nobody_hangs(patience: float) -> None:  # noqa: C901 - a harness in one place
    committed: list[int] = []
    chance = random.Random(1)

    def commit(works: Works) -> Outcomes:
        fails = chance.random()
        if fails < 0.05:
            raise StoreUnavailableError("away")
        if patience < SOON and fails < 0.3:
            time.sleep(patience * 2 * chance.random())
        return outcomes(works)

    def slow() -> None:
        if patience < SOON and chance.random() < 0.1:
            time.sleep(patience * 2)

    group = GroupCommit(commit, patience, HookedTurn(slow))

    def work(number: int) -> Callable[[Any], int]:
        def counted(_: object) -> int:
            if number % 7 == 0:
                raise KeyError(number)
            committed.append(number)
            return number

        return counted

    def one(number: int) -> str:
        try:
            if number % 5 == 0:
                [(_, error)] = group.try_run(lambda: commit([work(number)])) or [(None, None)]
                return "own error" if error else "tried"
            if number % 5 == 1:
                outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
                group.submit(work(number), outcome.put)
                result, error = outcome.get(timeout=SOON)
                if error:
                    raise error
                return "ok" if result == number else "another's"
            return "ok" if group.run(work(number)) == number else "another's"
        except KeyError as error:
            return "own error" if error.args == (number,) else "another's"
        except StoreUnavailableError:
            return "unavailable"

    def thread(first: int) -> dict[int, str]:
        return {number: one(number) for number in range(first, first + 150)}

    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(thread, start * 150) for start in range(12)]
        done = wait(futures, 2 * SOON)
        assert not done.not_done, "a thread hangs"
        seen = {number: how for future in futures for number, how in future.result().items()}
    assert len(seen) == 12 * 150
    assert "another's" not in seen.values()
    assert len(committed) == len(set(committed)), "work ran once"
    assert {number for number, how in seen.items() if how == "ok"} <= set(committed)
    assert not group._waiting
    assert not group._led
