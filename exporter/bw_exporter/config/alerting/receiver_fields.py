"""Which fields of a receiver which Alertmanager takes.

Alertmanager refuses a whole file for one field it does not know. The fields of 0.25, 0.28 and 0.33 are those that
their amtool accepts; the versions between are its changelog's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bw_exporter.config.alerting import receiver_values
from bw_exporter.config.problems import dotted as dotted_path
from bw_exporter.config.problems import unknown
from bw_exporter.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from bw_exporter.config.alerting.receivers import Receiver
    from bw_exporter.config.problems import Path

Version = tuple[int, int]

OLDEST: Version = (0, 25)
NEWEST: Version = (0, 33)
"""Of a newer Alertmanager nothing is known here: what it may have more is let through."""


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Who is to take the receivers: its version, and the keys under `global:` of the file that they are merged into."""

    version: Version = OLDEST
    global_keys: frozenset[str] = frozenset()


OLDEST_ALERTMANAGER = Alertmanager()


FIELDS: Mapping[str, frozenset[str]] = {
    "slack": frozenset(
        "actions api_url api_url_file callback_id channel color fallback fields footer http_config icon_emoji "
        "icon_url image_url link_names mrkdwn_in pretext send_resolved short_fields text thumb_url title "
        "title_link username".split()
    ),
    "pagerduty": frozenset(
        "class client client_url component description details group http_config images links routing_key "
        "routing_key_file send_resolved service_key service_key_file severity source url".split()
    ),
    "email": frozenset(
        "auth_identity auth_password auth_password_file auth_secret auth_username from headers hello html "
        "require_tls send_resolved smarthost text tls_config to".split()
    ),
    "webhook": frozenset("http_config max_alerts send_resolved url".split()),
    "discord": frozenset("http_config message send_resolved title webhook_url".split()),
    "telegram": frozenset(
        "api_url bot_token chat_id disable_notifications http_config message parse_mode send_resolved".split()
    ),
}
"""By kind, what Alertmanager 0.25 takes; nothing was taken away since."""

NEWER: Mapping[str, Mapping[str, tuple[Version, str]]] = {
    "slack": {
        "app_token": ((0, 30), "api_url"),
        "app_token_file": ((0, 30), "api_url_file"),
        "app_url": ((0, 30), "api_url"),
        "timeout": ((0, 30), ""),
        "message_text": ((0, 31), "text"),
        "update_message": ((0, 32), ""),
    },
    "pagerduty": {"timeout": ((0, 30), "")},
    "email": {
        "threading": ((0, 30), ""),
        "auth_secret_file": ((0, 31), "auth_secret"),
        "force_implicit_tls": ((0, 31), ""),
    },
    "webhook": {
        "url_file": ((0, 28), "url"),  # 0.26 and 0.27 take it, and crash where the receiver cannot be reached
        "timeout": ((0, 28), ""),
        "payload": ((0, 32), ""),
    },
    "discord": {
        "webhook_url_file": ((0, 28), "webhook_url"),  # 0.27 takes it and does not read it
        "avatar_url": ((0, 28), ""),
        "content": ((0, 28), "message"),
        "username": ((0, 28), ""),
    },
    "telegram": {
        "bot_token_file": ((0, 26), "bot_token"),
        "message_thread_id": ((0, 28), ""),
        "chat_id_file": ((0, 31), "chat_id"),
    },
}
"""By kind and field, the version that has it, and what older ones have in its stead."""

_NESTED: Mapping[str, Mapping[str, Version]] = {
    "http_config": dict.fromkeys(("http_headers", "no_proxy", "proxy_from_environment"), (0, 28)),
    "tls_config": dict.fromkeys(("ca", "cert", "key"), (0, 28)),
}
_DETAILS_OF_DETAILS: Version = (0, 30)

_NEEDED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "slack": (("api_url", "api_url_file", "app_token", "app_token_file"),),
    "pagerduty": (("routing_key", "routing_key_file", "service_key", "service_key_file"),),
    "email": (("to",),),
    "webhook": (("url", "url_file"),),
    "discord": (("webhook_url", "webhook_url_file"),),
    "telegram": (("bot_token", "bot_token_file"), ("chat_id", "chat_id_file")),
}
"""By kind, of each tuple one has to be there, in the receiver or as `<kind>_<field>` under `global:`."""


def dotted(version: Version) -> str:
    """Return the version as people write it."""
    return ".".join(map(str, version))


def read_version(text: str) -> Version:
    """Return the version of an Alertmanager whose receivers' fields are known. Raises ValueError saying what to write.

    >>> read_version("v0.27.0")
    (0, 27)
    """
    match = re.fullmatch(r"v?(\d{1,9})\.(\d{1,9})(\.\d+)?", text)
    if match is None:
        raise ValueError("write it as 0.27")
    found = int(match[1]), int(match[2])
    if found < OLDEST:
        raise ValueError(
            f"{dotted(OLDEST)} is the oldest whose fields are known here; give that, and ask your amtool check-config"
        )
    return found


def refused(
    receivers: Iterable[Receiver], version: Version = OLDEST, given: Collection[str] = ()
) -> tuple[Problem, ...]:
    """Return what Alertmanager of that version would refuse of the receivers.

    `given` are the keys under `global:` of the file that they are merged into.
    """
    return tuple(
        Problem(dotted_path(path), said)
        for receiver in receivers
        for path, said in mistakes(receiver, version, given)
    )


def mistakes(receiver: Receiver, version: Version, given: Collection[str] = ()) -> Iterator[tuple[Path, str]]:
    """Yield each place that Alertmanager of that version would refuse, with what is wrong and the way out.

    This is the one judge of receivers: check-config and `bw-rules alertmanager` both ask it.
    """
    kind = receiver.kind
    place: Path = ("receivers", receiver.name, kind)
    newer = NEWER[kind]
    for name, value in receiver.fields.items():
        here = (*place, name)
        if name in newer and version < newer[name][0]:
            yield here, _too_new(*newer[name])
        elif name not in FIELDS[kind] and name not in newer and version <= NEWEST:
            yield here, unknown(name, (*sorted(FIELDS[kind]), *newer), "field")
        elif (name in FIELDS[kind] or name in newer) and (said := receiver_values.problem(name, value)):
            yield here, said
        yield from _nested(here, name, value, version)
    for either in _NEEDED[kind]:
        if not any(name in receiver.fields or f"{kind}_{name}" in given for name in either):
            known = [name for name in either if name not in newer or newer[name][0] <= version]
            yield place, f"has no {known[0]}; give {' or '.join(known)}"


def _nested(place: Path, name: str, value: object, version: Version) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, dict):
        return
    if name == "details" and version < _DETAILS_OF_DETAILS and not all(map(_is_plain, value.values())):
        yield place, f"holds more than texts, which {_asks_for(_DETAILS_OF_DETAILS)}; make each a text"
    for key, inner in value.items():
        since = _NESTED.get(name, {}).get(key)
        if since and version < since:
            yield (*place, key), _too_new(since, "")
        yield from _nested((*place, key), key, inner, version)


def _is_plain(value: object) -> bool:
    return not isinstance(value, dict | list)


def _too_new(since: Version, older: str) -> str:
    instead = f"give {older} instead" if older else "leave it out"
    return f"{_asks_for(since)}; {instead}, or say --alertmanager-version {dotted(since)} if yours is"


def _asks_for(version: Version) -> str:
    return f"needs Alertmanager {dotted(version)}"
