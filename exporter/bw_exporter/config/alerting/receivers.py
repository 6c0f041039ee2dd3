"""Receivers of alerts as tenants.yaml names them; bw-rules turns them into Alertmanager's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, get_args

from bw_exporter.config.problems import nearest, unknown
from bw_exporter.config.reading.yaml_strict import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.config.problems import Path, Problems

Severity = Literal["critical", "warning", "info"]
Kind = Literal["slack", "pagerduty", "email", "webhook", "discord", "telegram"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
KINDS: tuple[Kind, ...] = get_args(Kind)
NOBODY = "nobody"
"""The receiver of what is meant to reach no one; bw-rules makes it, and no other may have its name."""

_NAMED = 10
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """One place alerts go to; `fields` are Alertmanager's own, left out of repr as they may hold secrets."""

    name: str
    kind: Kind
    fields: Mapping[str, Any] = field(repr=False)
    min_severity: Severity = "info"


def read_receivers(section: object, problems: Problems) -> dict[str, Receiver]:
    """Return the file's `receivers:` by name; mistakes are noted in `problems`."""
    path: Path = ("receivers",)
    if section is None:
        return {}
    if not isinstance(section, dict):
        problems.add(path, "must be a mapping from a receiver's name to what it is")
        return {}
    found = {name: _receiver(name, entry, (*path, name), problems) for name, entry in section.items()}
    return {name: receiver for name, receiver in found.items() if receiver}


def check_notify(
    names: object, known: Mapping[str, object], path: Path, problems: Problems
) -> tuple[str, ...]:
    """Return a `notify` list as a tuple; names no receiver has are noted in `problems`."""
    if names is None:
        return ()
    if not isinstance(names, list):
        problems.add(path, "must be a list of receivers' names: [slack-billing]")
        return ()
    for number, name in enumerate(names):
        if not isinstance(name, str):
            problems.add((*path, number), "must be text; put it in quotes")
        else:
            check_receiver(name, known, (*path, number), problems)
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))


def check_receiver(name: str, known: Mapping[str, object], path: Path, problems: Problems) -> None:
    """Note it in `problems` if there is no receiver called `name`."""
    if name not in known:
        some = ", ".join(islice(known, _NAMED)) + (", …" if len(known) > _NAMED else "")
        there = f"add it, or use one of {some}" if known else "add it under receivers:"
        problems.add(path, f"there is no receiver {redacted(name)[:63]}; {nearest(name, known, there)}")


def _receiver(name: str, entry: object, path: Path, problems: Problems) -> Receiver | None:
    if not _NAME.fullmatch(name):
        problems.add(path, "a receiver's name is letters, digits, `_`, `.` and `-`, at most 63; rename it")
    if name == NOBODY:
        problems.add(
            path, "is the name of the receiver that sends nothing, which every routing has; rename it"
        )
    if not isinstance(entry, dict):
        problems.add(path, f"must be a mapping with one of {', '.join(KINDS)}")
        return None
    for key in entry:
        if key not in KINDS and key != "min_severity":
            problems.add((*path, key), unknown(key, (*KINDS, "min_severity")))
    severity = entry.get("min_severity", "info")
    if severity not in SEVERITIES:
        problems.add((*path, "min_severity"), f"must be {', '.join(SEVERITIES[:-1])} or {SEVERITIES[-1]}")
    given = [kind for kind in KINDS if kind in entry]
    if len(given) != 1:
        said = f"has {' and '.join(given)}" if given else "says nowhere to send to"
        problems.add(path, f"{said}; give exactly one of {', '.join(KINDS)}")
        return None
    fields = entry[given[0]]
    if not isinstance(fields, dict):
        problems.add(
            (*path, given[0]), f"must be a mapping with the fields of Alertmanager's {given[0]} receiver"
        )
        return None
    return Receiver(name, given[0], fields, severity)
