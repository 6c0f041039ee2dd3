"""The configuration reference, made from the models that read tenants.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bw_exporter.config.in_force import keys, shown
from bw_exporter.config.shape import Common, Defaults, RateLimitSection, TenantEntry, WatchdogSection
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR, THRESHOLDS
from bw_rules.toolkit.thresholds import Base, Bounded

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


def meaning(model: type[BaseModel], key: str) -> str:
    """Return what a setting is for."""
    found = next(f for name, f in model.model_fields.items() if key in (name, f.alias))
    return found.description or ""


def keys_tables() -> str:
    """Return the tables of every key but the thresholds."""
    common = set(Common.model_fields)
    return "\n".join(
        (
            "### In `defaults` and in each tenant\n",
            _table(Common, set(common)),
            "### In `defaults` only\n",
            _table(Defaults, set(Defaults.model_fields) - common),
            "### In `rate_limit`\n",
            _table(RateLimitSection, set(RateLimitSection.model_fields)),
            "### In each tenant only\n",
            _table(TenantEntry, set(TenantEntry.model_fields) - common),
            "### In `watchdog`\n",
            _table(WatchdogSection, set(WatchdogSection.model_fields)),
        )
    )


def thresholds_tables() -> str:
    """Return one table for each detector."""
    parts = []
    for name, model in THRESHOLDS.items():
        default = model()
        rows = [
            f"| `{key}` | {shown(default, key)} | {_kind(model, key)} | {meaning(model, key)} |"
            for key in keys(default)
        ]
        detector = DETECTORS[name]
        off = " Off until asked for: write `enabled: true`." if name in OFF_UNTIL_ASKED_FOR else ""
        parts.append(
            f"### `{name}`\n\n{detector.summary} Alert: [{detector.alert}](runbooks/{detector.alert}.md).{off}\n\n"
            "| key | default | kind | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(parts)


def _table(model: type[BaseModel], names: set[str]) -> str:
    rows = [
        f"| `{name}` | {_example(field)} | {field.description} |"
        for name, field in model.model_fields.items()
        if name in names
    ]
    return "| key | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _example(field: FieldInfo) -> str:
    return f"`{field.examples[0]}`" if field.examples else ""


def _kind(model: type[Base], key: str) -> str:
    field = next(f for name, f in model.model_fields.items() if key in (name, f.alias))
    bounded = next((item for item in field.metadata if isinstance(item, Bounded)), None)
    if bounded is not None:
        return bounded.text
    choices = getattr(field.annotation, "__args__", ("true", "false"))
    return " or ".join(f"`{choice}`" for choice in choices)
