from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from types import MappingProxyType

from bw_exporter.config.tenants import RateLimit, Tenant
from bw_exporter.webhook.rate_limit import RateLimiter
from support.exporter import SECRET, Start

FORK = multiprocessing.get_context("fork")


def tenant(rate: int, burst: int, name: str = "prod") -> Tenant:
    nothing = MappingProxyType({})
    return Tenant(name, name, "live", name, (), RateLimit(rate, burst), "charge", nothing, (), nothing)


def test_a_burst_passes_and_then_the_rate_holds():
    limiter, one = RateLimiter(), tenant(10, 5)
    assert [limiter.allow(one, 100.0) for _ in range(5)] == [0.0] * 5
    assert 0.09 < limiter.allow(one, 100.0) <= 0.1
    assert limiter.allow(one, 100.1) == 0.0
    assert limiter.allow(one, 100.1) > 0
    assert [limiter.allow(one, 200.0) > 0 for _ in range(6)] == [False] * 5 + [True]


def test_a_rate_of_zero_is_no_limit():
    limiter = RateLimiter()
    assert not any(limiter.allow(tenant(0, 0), 100.0) for _ in range(1000))


def test_a_tenant_uses_up_its_own_allowance_only():
    limiter = RateLimiter()
    assert limiter.allow(tenant(1, 1, "a"), 100.0) == 0.0
    assert limiter.allow(tenant(1, 1, "a"), 100.0) > 0
    assert limiter.allow(tenant(1, 1, "b"), 100.0) == 0.0


def test_a_clock_that_is_set_back_shuts_nobody_out():
    limiter, one = RateLimiter(), tenant(10, 5)
    for _ in range(6):
        limiter.allow(one, 100_000.0)
    assert limiter.allow(one, 50_000.0) <= 0.1
    assert limiter.allow(one, 50_000.2) == 0.0


def test_a_full_table_starts_over_and_goes_on_limiting():
    limiter = RateLimiter(slots=16)
    for number in range(100):
        assert limiter.allow(tenant(1, 1, f"t{number}"), 100.0) == 0.0
    assert limiter.allow(tenant(1, 1, "t99"), 100.0) > 0


def test_the_limit_is_exact_across_processes_and_threads():
    limiter, one = RateLimiter(), tenant(1, 1000)
    allowed = FORK.Value("i", 0)

    def worker() -> None:
        def thread() -> None:
            mine = sum(limiter.allow(one, 100.0) == 0.0 for _ in range(300))
            with allowed.get_lock():
                allowed.value += mine

        threads = [threading.Thread(target=thread) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    processes = [FORK.Process(target=worker) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert allowed.value == 1000


def test_a_killed_process_leaves_the_limiter_free():
    limiter, one = RateLimiter(), tenant(1_000_000, 1_000_000)

    def busy() -> None:
        while True:
            limiter.allow(one, time.time())

    for _ in range(5):
        process = FORK.Process(target=busy)
        process.start()
        time.sleep(0.05)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert limiter.allow(one, time.time()) == 0.0


def test_a_tenant_above_its_limit_is_told_when_to_come_again_and_forgers_use_nothing_up(start: Start):
    exporter = start(
        f"tenants: {{prod: {{webhook_secret: {SECRET}, rate_limit: {{rate: 1, burst: 3}}}}}}",
        "--web.workers",
        "3",
    )
    assert {exporter.send(n, secret="whsec_of_somebody_else_entirely_00").status for n in range(10)} == {400}
    replies = [exporter.send(number) for number in range(8)]
    assert [reply.status for reply in replies[:3]] == [200] * 3
    refused = [reply for reply in replies if reply.status == 429]
    assert len(refused) >= 3
    assert all(reply.headers["Retry-After"] == "1" for reply in refused)
