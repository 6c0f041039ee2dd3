"""Texts and bytes near to real ones: a seed of the corpus in which a few places were changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")

SECRET = "whsec_CANARY0123456789"

_TOKEN = re.compile(r"[A-Za-z0-9_.+-]+|\s+|.", re.DOTALL)

YAML_TOKENS = (
    "", "{", "}", "[", "]", "{}", "[]", "&a ", "*a", "<<", "<<: *a", "!!bool ", "!!timestamp ", "!!int ", "!!binary ",
    "!!set ", "!!omap ", "!!python/name:os ", "|", ">", "---", "...", "%YAML 1.1\n---", "? ", "- ", ": ", "#", "'", '"',
    "~", "null", "true", "no", "0x1F", "0o7", "1_000", "12:30", "2001-01-01", ".inf", "-.nan", "1e400", "9" * 30,
    "9" * 400, "-1", "0", "0.0000001", "1h", "1h30m", "9999999999y", "0s", "\t", "\n", "\r", "\x00", "\x85", "\u2028",
    "\ufeff", "\U0001f4b8", "é", SECRET, f"[{SECRET}]", "{{", "{{ $value }}", "$labels", '\\"', "\\", "a" * 300,
    "live", "test", "charge_failure_spike", "multiplier", "webhook_lag", "max_lag", "severity", "for", "enabled",
    "labels", "notify", "receivers", "watchdog", "heartbeat", "slack", "api_url", "pagerduty", "min_severity",
    "path_token", "webhook_secret", "webhook_secret_env", "webhook_secret_file", "rate_limit", "tls_server_config",
    "basic_auth_users", "http_server_config", "headers", "cert_file", "/dev/null", "/nonexistent", "..", "!!float snan",
)  # fmt: skip
JSON_TOKENS = (
    "", "{", "}", "[", "]", ",", ":", '"', "null", "true", "false", "0", "-0", "-1", "1.5", "1e400", "-1e-400", "1E5",
    "NaN", "Infinity", "-Infinity", "9" * 20, "9" * 400, "-" + "9" * 20, "9" * 5000, "01", "+1", "0x10", ".5", "5.",
    '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\x"', '"id":"evt_2",', '"id":null,', '"data":{},', '"created":-1,',
    '"livemode":0,', '"object":"v2.core.event",', '"account":"acct_1",', "[" * 500, "{" * 500, '{"a":' * 500, "//",
    "/**/", "'", "\n", "\t", "\x00", "\x7f", "\ufeff", "\u2028", "é", '"usd"', '"jpy"', '"succeeded"', '"failed"',
)  # fmt: skip


def seeds(folder: str) -> list[bytes]:
    """Return the files of one corpus, in order."""
    return [file.read_bytes() for file in sorted((CORPUS / folder).iterdir())]


@st.composite
def mutated(draw: st.DrawFn, texts: Sequence[str], tokens: Sequence[str]) -> str:
    """Change up to six places of one of the texts."""
    parts = _TOKEN.findall(draw(st.sampled_from(texts)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(len(parts) - 1, 0)))
        act = draw(
            st.sampled_from(("replace", "replace", "insert", "leave out", "double", "move", "cut", "splice"))
        )
        if act == "replace":
            parts[at : at + 1] = [draw(st.sampled_from(tokens))]
        elif act == "insert":
            parts.insert(at, draw(st.sampled_from(tokens) | st.text(max_size=4)))
        elif act == "leave out":
            del parts[at : at + draw(st.integers(1, 8))]
        elif act == "double":
            parts[at:at] = parts[at : at + draw(st.integers(1, 12))]
        elif act == "move":
            moved = parts[at : at + 6]
            del parts[at : at + 6]
            place = draw(st.integers(0, len(parts)))
            parts[place:place] = moved
        elif act == "cut":
            del parts[at:]
        else:
            other = _TOKEN.findall(draw(st.sampled_from(texts)))
            parts[at:] = other[draw(st.integers(0, max(len(other) - 1, 0))) :]
    return "".join(parts)


@st.composite
def damaged(draw: st.DrawFn, texts: Sequence[str], tokens: Sequence[str]) -> bytes:
    """The same as bytes, some of them changed so that they may be no UTF-8."""
    raw = bytearray(draw(mutated(texts, tokens)).encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 1))] = draw(st.binary(min_size=1, max_size=3))
    return bytes(raw)
