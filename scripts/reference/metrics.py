"""docs/metrics.md and the table of events in docs/stripe.md, from the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from bw_exporter.facts import feeds
from bw_exporter.metrics import catalog
from bw_exporter.metrics.family import Family, Label
from bw_exporter.metrics.labels import HANDLED_EVENT_TYPES
from bw_exporter.metrics.money import MINOR_UNITS
from reference.examples import example

_UNITS = (
    ("_timestamp_seconds", "Unix seconds"),
    ("_seconds", "seconds"),
    ("_bytes", "bytes"),
    ("minor_units_total", "minor units of the currency"),
    ("_open_minor_units", "minor units of the currency"),
)

_WITHOUT_EVENTS = {
    catalog.TENANT_CREATED: "the first start or reload with this tenant",
    catalog.FAMILY_BEGAN: "the first start of a version that has the family",
    catalog.TENANT_INFO: "tenants.yaml",
    catalog.TENANT_UTC_OFFSET: "tenants.yaml, and the clock as time passes",
    catalog.CURRENCY_MINOR_UNITS: "Stripe's list of currencies",
    catalog.BUILD_INFO: "the installed package",
    catalog.CONFIG_LAST_RELOAD_SUCCESSFUL: "start, SIGHUP and `POST /-/reload`",
    catalog.CONFIG_LAST_RELOAD_SUCCESS_AT: "start, SIGHUP and `POST /-/reload`",
    catalog.EVENTS_IGNORED: "every validly signed delivery that is not applied",
    catalog.WEBHOOK_REQUESTS: "every request to a tenant's URL, and with a `Stripe-Signature` header to any other",
    catalog.STORE_COMMITS: "every commit that changed a count",
}
_CHECKS = {catalog.DUPLICATE_CHARGES: "duplicate charges", catalog.INVOICE_CHECKS: "invoices"}
_PROBE = "a probe of the store, every 5 s"


def sections() -> str:
    """Return one section for each metric."""
    return "\n".join(_section(family) for family in catalog.FAMILIES)


def currencies() -> str:
    """Return the values of the label `currency`, by the number of minor units in a whole one."""
    rows = []
    for units in sorted(set(MINOR_UNITS.values())):
        codes = " ".join(sorted(code for code, value in MINOR_UNITS.items() if value == units))
        rows.append(f"| {units} | {codes} |")
    return "\n".join(("| minor units in one | currencies |", "|---|---|", *rows, ""))


def events() -> str:
    """Return which metrics each event type moves."""
    rows = []
    for name in HANDLED_EVENT_TYPES:
        moved = ", ".join(f"`{one.name}`" for one in feeds.FEEDS.get(name, ()))
        explained = ", ".join(_CHECKS[one] for one in feeds.EXPLAINS.get(name, ()))
        if moved or explained:
            rows.append(f"| `{name}` | {moved} | {explained} |")
    return "\n".join(("| event | moves | helps to judge |", "|---|---|---|", *rows, ""))


def selected() -> str:
    """Return the events to select at Stripe, a line for each kind of object."""
    lines: dict[str, list[str]] = {}
    for name in feeds.SELECT:
        lines.setdefault(name.rpartition(".")[0], []).append(name)
    return "```text\n" + "\n".join(" ".join(names) for names in lines.values()) + "\n```\n"


def _section(family: Family) -> str:
    question, query = example(family)
    facts = "\n".join(f"- {fact}" for fact in _facts(family))
    return f"## {family.name}\n\n{family.help}\n\n{facts}\n\n```promql\n# {question}\n{query}\n```\n"


def _facts(family: Family) -> Iterator[str]:
    unit = next((unit for ending, unit in _UNITS if family.name.endswith(ending)), "")
    yield f"{family.type}{f', in {unit}' if unit else ''}"
    yield f"labels: {', '.join(f'`{name}`' for name in family.label_names) or 'none'}"
    yield from (_values(label) for label in family.labels if label.values and label.name != "currency")
    if family.buckets:
        bounds = " ".join(f"`{bound}.0`" for bound in family.buckets)
        yield f"`le`: {bounds} `+Inf`"
    yield f"moved by: {_moved_by(family)}"


def _values(label: Label) -> str:
    start = "" if label.initial in (label.values, ()) else "; exported at 0 from the start: "
    initial = ", ".join(f"`{value}`" for value in label.initial) if start else ""
    return f"`{label.name}`: {', '.join(f'`{value}`' for value in label.values)}{start}{initial}"


def _moved_by(family: Family) -> str:
    found = feeds.feeding(family)
    if found:
        return ", ".join(f"`{name}`" for name in found)
    if family in _WITHOUT_EVENTS:
        return _WITHOUT_EVENTS[family]
    return "every event" if family in feeds.EVERY_EVENT else _PROBE
