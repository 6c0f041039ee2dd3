"""What is fuzzed, and what has to hold whatever comes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import promql_parser
import yaml
from hypothesis import strategies as st

from bw_exporter.config import tenants
from bw_exporter.errors import BillingWatchError, ConfigError
from bw_exporter.monitoring import web_config
from bw_exporter.webhook import signature
from bw_exporter.webhook.signature import Verdict
from bw_rules.detectors import THRESHOLDS
from bw_rules.groups import build
from bw_rules.render import alertmanager, prometheus
from bw_simulator.sender import sign
from support.listener import NOW, Listener, listening
from support.wild_events import samples

from .mutations import JSON_TOKENS, SECRET, YAML_TOKENS, damaged, seeds


@dataclass(frozen=True)
class Target:
    """`holds` raises where the input breaks a promise; `corpus` is the folder of its seeds."""

    corpus: str
    strategy: st.SearchStrategy[bytes]
    holds: Callable[[bytes], None]


def event_holds(body: bytes) -> None:
    """A signed body is taken or called malformed, and a scrape of it can be read."""
    with listening() as listener:
        event_holds_at(listener, body)


def event_holds_at(listener: Listener, body: bytes) -> None:
    before = listener.counters()
    assert listener.deliver(body) in (200, 400)
    after = listener.counters()
    assert all(after[line] >= value for line, value in before.items()), "a counter fell"
    listener.keep_house(7200)
    listener.check_exposition()


def signature_holds(raw: bytes) -> None:
    """Bytes cut into a header and a body are never good, unless they are what was signed."""
    header, _, body = raw.partition(b"\n")
    text = header.decode("latin-1")
    assert signature.verify(body, text, ("whsec_a", SECRET), NOW) in (Verdict.BAD, Verdict.EXPIRED)
    good = sign(body, SECRET, NOW)
    assert signature.verify(body, f"{good},{text}", ("whsec_a", SECRET), NOW) in tuple(Verdict)
    assert signature.verify(body + b" ", good, ("whsec_a", SECRET), NOW) is Verdict.BAD


def tenants_hold(text: bytes) -> None:
    """A tenants.yaml is read, or each mistake is told with a path; what is read makes rules that parse."""
    with _AsFile(text) as path:
        try:
            read = tenants.load(str(path), detectors=THRESHOLDS, environ={"WHSEC": SECRET})
        except ConfigError as error:
            _told(error)
            return
        assert "CANARY" not in repr(read)
        groups = build.groups(read, build.Settings())
        for group in groups:
            for rule in group.rules:
                _parses(rule.expr)
        assert yaml.safe_load(prometheus.render(groups, "tenants.yaml"))["groups"]
        try:
            routing = alertmanager.routing(read, (0, 25))
            assert yaml.safe_load(alertmanager.render(routing, "tenants.yaml"))["route"]
        except BillingWatchError as error:
            refusal = str(error)
            assert refusal


def web_config_holds(text: bytes) -> None:
    """A web.yml is read, or each mistake is told with a path."""
    with _AsFile(text) as path:
        try:
            read = web_config.load(str(path))
        except ConfigError as error:
            _told(error)
        else:
            assert "$2y$" not in repr(read)


@cache
def _parses(expr: str) -> None:
    promql_parser.parse(expr)


def _told(error: ConfigError) -> None:
    assert error.problems
    for problem in error.problems:
        assert problem.path
        assert problem.message
    assert "CANARY" not in str(error)


class _AsFile:
    """The text as a file, where files are memory."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory())
        path = Path(self._folder.name) / "file.yaml"
        path.write_bytes(self._text)
        return path

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


@cache
def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _texts(folder: str) -> list[str]:
    return [seed.decode("utf-8", "surrogateescape") for seed in seeds(folder) if len(seed) < 20_000]


def _events() -> list[str]:
    return [*(text for _, text in samples()), *_texts("events")]


def _headers() -> st.SearchStrategy[bytes]:
    good = sign(b"{}", SECRET, NOW)
    pieces = st.sampled_from(
        [
            "t=",
            "v1=",
            "v0=",
            ",",
            "=",
            f"t={NOW}",
            good[-64:],
            "a" * 64,
            "9" * 5000,
            "-1",
            " ",
            "\t",
            "é",
            "t",
            "1_0",
        ]
    )
    return st.tuples(st.lists(pieces, max_size=9).map("".join), st.binary(max_size=30)).map(
        lambda pair: pair[0].encode("latin-1") + b"\n" + pair[1]
    )


def targets() -> dict[str, Target]:
    """Return every target by name; made when asked for, since the samples take a second."""
    return {
        "events": Target("events", damaged(_events(), JSON_TOKENS), event_holds),
        "signatures": Target("signatures", _headers(), signature_holds),
        "tenants": Target("tenants", damaged(_texts("tenants"), YAML_TOKENS), tenants_hold),
        "web": Target("web", damaged(_texts("web"), YAML_TOKENS), web_config_holds),
    }
