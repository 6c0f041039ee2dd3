"""Who guesses passwords on the private listener keeps nobody out who knows one."""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest

from bw_exporter.monitoring import basic_auth, check_queue
from bw_exporter.monitoring.basic_auth import BasicAuth
from bw_exporter.monitoring.check_queue import BusyError, CheckQueue
from bw_exporter.monitoring.known_logins import KnownLogins
from support.exporter import ONE_TENANT, RunningExporter, ask, eventually

COST = 10
SCRAPES = 20
INTERVAL_SECONDS = 5.0


def login(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()}


@pytest.fixture
def start_guarded(tmp_path: Path) -> Iterator[Callable[[], RunningExporter]]:
    """Start an exporter whose private listener asks for a password that takes tens of milliseconds to check."""

    @contextlib.contextmanager
    def started() -> Iterator[RunningExporter]:
        hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(COST)).decode()
        (tmp_path / "web.yml").write_text(f"basic_auth_users: {{prometheus: '{hashed}'}}\n")
        with RunningExporter(
            tmp_path, ONE_TENANT, "--web.config.file", str(tmp_path / "web.yml")
        ) as exporter:
            exporter.authorization = login("right")
            yield exporter

    with contextlib.ExitStack() as running:
        yield lambda: running.enter_context(started())


@contextlib.contextmanager
def guessing(port: Callable[[], int], connections: int) -> Iterator[dict[int, int]]:
    """Have so many connections guess, each as fast as it is answered; count the answers by status."""
    stop, answers, numbers = threading.Event(), dict[int, int](), itertools.count()

    def guess() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port(), timeout=30)
                with contextlib.closing(connection):
                    while not stop.is_set():
                        connection.request("GET", "/metrics", headers=login(f"guess-{next(numbers)}"))
                        reply = connection.getresponse()
                        reply.read()
                        answers[reply.status] = answers.get(reply.status, 0) + 1
            time.sleep(0.01)

    threads = [threading.Thread(target=guess, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def scrapes(exporter: RunningExporter) -> tuple[list[int], float]:
    """Scrape as Prometheus does, though faster where that is no help; return the answers and the longest wait."""
    found, longest = [], 0.0
    while len(found) < SCRAPES:
        asked = time.monotonic()
        with contextlib.suppress(ConnectionError):  # while the private process is being replaced
            found.append(exporter.get("/metrics").status)
            longest = max(longest, time.monotonic() - asked)
        time.sleep(INTERVAL_SECONDS if len(found) == 1 else 0.1)
    return found, longest


@pytest.mark.parametrize("connections", [12, 64])
def test_after_a_restart_of_the_private_process_guessing_keeps_out_no_scrape(
    start_guarded: Callable[[], RunningExporter], connections: int
):
    exporter = start_guarded().ready()
    (private,) = exporter.workers("private")
    with guessing(lambda: exporter.private, connections) as answers:
        eventually(lambda: sum(answers.values()) > connections)
        os.kill(private, signal.SIGKILL)
        eventually(lambda: exporter.workers("private") not in ([], [private]))
        found, longest = scrapes(exporter)
    print(
        f"{connections} guessing: {found.count(200)} of {SCRAPES} scrapes, {longest:.2f} s at most, {answers}"
    )
    assert found == [200] * SCRAPES
    assert 200 not in answers


@pytest.mark.parametrize("connections", [12, 64])
def test_after_a_restart_of_all_guessing_keeps_out_one_scrape_at_most(
    start_guarded: Callable[[], RunningExporter], connections: int
):
    exporter = start_guarded()
    eventually(lambda: bool(exporter.entries("serving")))
    address = str(exporter.entries("serving")[0]["metrics"])
    exporter.private = int(address.rpartition(":")[2])
    with guessing(lambda: exporter.private, connections) as answers:
        eventually(lambda: answers.get(401, 0) > 1)
        found, longest = scrapes(exporter)
    print(
        f"{connections} guessing: {found.count(200)} of {SCRAPES} scrapes, {longest:.2f} s at most, {answers}"
    )
    assert found[1:] == [200] * (SCRAPES - 1)
    if connections < basic_auth.MOST_WAITING:
        assert found[0] == 200
    assert 200 not in answers


def test_guessing_passwords_holds_up_nobody_who_was_let_in_before(monkeypatch: pytest.MonkeyPatch):
    known = KnownLogins()
    users = {"prometheus": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}
    assert BasicAuth(users, known).accepts("prometheus", "right")
    auth = BasicAuth(users, known)  # as after a restart of the private process
    free, checking = threading.Event(), threading.Semaphore(0)

    def slow(_given: bytes, _hashed: bytes) -> bool:
        checking.release()
        return not free.wait(30)

    monkeypatch.setattr(bcrypt, "checkpw", slow)
    answers: list[object] = []

    def guess(number: int) -> None:
        try:
            answers.append(auth.accepts("prometheus", f"guess-{number}"))
        except BusyError:
            answers.append("busy")
            free.set()

    guessers = [threading.Thread(target=guess, args=(number,)) for number in range(40)]
    guessers[0].start()
    assert checking.acquire(timeout=30)
    assert auth.accepts("prometheus", "right"), "while a guess is being checked"
    for guesser in guessers[1:]:
        guesser.start()
    for guesser in guessers:
        guesser.join(30)
    assert "busy" in answers
    assert True not in answers


def test_who_was_let_in_is_known_by_name_password_and_hash_together():
    known = KnownLogins()
    known.add(known.digest("prometheus", "right", "hash"))
    assert known.digest("prometheus", "right", "hash") in known
    for other in (
        ("prometheus", "wrong", "hash"),
        ("prometheusr", "ight", "hash"),
        ("prometheus", "right", "other hash"),
        ("", "", ""),
    ):
        assert known.digest(*other) not in known
    assert KnownLogins().digest("prometheus", "right", "hash") not in known


def test_of_thousands_of_right_logins_the_latest_is_known():
    known = KnownLogins()
    for number in range(250):
        digest = known.digest(f"user-{number}", "right", "hash")
        known.add(digest)
        assert digest in known


class Turns:
    """Checks in a queue with two places, each held until it is let go."""

    def __init__(self) -> None:
        self.queue = CheckQueue(2)
        self.checked: list[str] = []
        self.refused: list[str] = []
        self._let_go = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []

    def send(self, password: str) -> None:
        """Have it wait for its turn; return once it does, or was refused."""

        def check() -> None:
            try:
                with self.queue.turn(password.encode()):
                    self.checked.append(password)
                    self._let_go.acquire(timeout=30)
            except BusyError:
                self.refused.append(password)

        before = self._seen()
        self._threads.append(threading.Thread(target=check, daemon=True))
        self._threads[-1].start()
        eventually(lambda: self._seen() > before)

    def _seen(self) -> int:
        return len(self.checked) + len(self.refused) + len(self.queue._waiting)

    def finish_one(self) -> None:
        self._let_go.release()

    def finish(self) -> None:
        for _ in self._threads:
            self._let_go.release()
        for thread in self._threads:
            thread.join(30)


def test_a_password_that_is_sent_again_is_checked_before_all_that_were_first_sent_later():
    turns = Turns()
    for password in ("guess-1", "guess-2", "guess-3", "right"):
        turns.send(password)
    eventually(lambda: turns.refused == ["right"])
    turns.finish_one()
    eventually(lambda: turns.checked == ["guess-1", "guess-2"])
    turns.send("guess-4")
    turns.send("right")
    eventually(lambda: turns.refused == ["right", "guess-4"])
    turns.finish()
    assert turns.checked == ["guess-1", "guess-2", "guess-3", "right"]


def test_a_wrong_password_that_was_checked_waits_behind_all_others_when_it_is_sent_again():
    turns = Turns()
    turns.send("guess-1")
    turns.finish()
    again = Turns()
    again.queue = turns.queue
    for password in ("guess-2", "right", "guess-1"):
        again.send(password)
    again.finish()
    assert again.checked == ["guess-2", "right", "guess-1"]


def test_a_flood_of_guesses_fills_no_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_queue, "MOST_REMEMBERED", 10)
    queue = CheckQueue(1)
    with queue.turn(b"slow"):
        held = threading.Thread(target=lambda: queue.turn(b"next").__enter__(), daemon=True)
        held.start()
        eventually(lambda: len(queue._waiting) == 1)
        for number in range(100):
            with pytest.raises(BusyError), queue.turn(b"%d" % number):
                pass
    assert len(queue._first_sent) <= 10


def test_the_answer_to_one_guess_too_many_says_when_to_try_again(
    start_guarded: Callable[[], RunningExporter],
):
    exporter = start_guarded().ready()
    with guessing(lambda: exporter.private, basic_auth.MOST_WAITING + 8) as answers:
        eventually(lambda: answers.get(429, 0))
        replies = [
            ask(exporter.private, "GET", "/metrics", headers=login(f"other-{each}")) for each in range(20)
        ]
    busy = [reply for reply in replies if reply.status == 429]
    assert busy
    assert all(reply.headers["Retry-After"] == "1" for reply in busy)
