"""What a receiver's field may hold: Alertmanager refuses a whole file for one value it cannot read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeGuard
from urllib.parse import urlsplit

_DURATION = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+")
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*):[^:]+")


def _is_url(value: object) -> bool:
    """Whether it is an address of the web; a template makes one only when a message is sent."""
    if not isinstance(value, str) or "{{" in value:
        return isinstance(value, str)
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


_Kind = tuple[Callable[[object], bool], str]

_BOOL: _Kind = (lambda value: isinstance(value, bool), "must be true or false")
_COUNT: _Kind = (
    lambda value: _is_whole(value) and value >= 0,
    "must be a whole number, 0 or more",
)
_WHOLE: _Kind = (_is_whole, "must be a whole number")
_URL: _Kind = (_is_url, "must be a URL with its scheme and host, as in https://example.com/path")
_TIMEOUT: _Kind = (_matches(_DURATION), "must be a duration with its unit, as in 10s")
_ADDRESS: _Kind = (_matches(_HOST_AND_PORT), "must be a host and its port, as in smtp.example.com:587")
_LIST: _Kind = (lambda value: isinstance(value, list), "must be a list: [one, two]")
_MAPPING: _Kind = (lambda value: isinstance(value, dict), "must be a mapping: `key: value` lines below it")
_TEXT: _Kind = (
    lambda value: value is not None and not isinstance(value, dict | list),
    "must be text, and one; leave it out where there is none",
)

_KINDS: dict[str, _Kind] = {
    **dict.fromkeys(
        "send_resolved link_names short_fields update_message require_tls force_implicit_tls "
        "disable_notifications".split(),
        _BOOL,
    ),
    **dict.fromkeys("url api_url app_url webhook_url".split(), _URL),
    **dict.fromkeys("actions fields images links mrkdwn_in".split(), _LIST),
    **dict.fromkeys("details headers http_config threading tls_config".split(), _MAPPING),
    **dict.fromkeys("chat_id message_thread_id".split(), _WHOLE),
    "max_alerts": _COUNT,
    "payload": (lambda _: True, ""),
    "smarthost": _ADDRESS,
    "timeout": _TIMEOUT,
}
"""By field, whatever receiver has it; every other one is a text, and a number to Alertmanager is a text too."""


def problem(field: str, value: object) -> str:
    """Return what is wrong with the value of a field that Alertmanager knows and the way out, or an empty string."""
    is_good, way_out = _KINDS.get(field, _TEXT)
    return "" if is_good(value) else way_out
