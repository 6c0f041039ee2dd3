"""Thresholds in force: each setting of a detector as tenants.yaml would have it, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from bw_exporter.config.tenants import Tenants


@runtime_checkable
class Kind(Protocol):
    """What a threshold's annotation says of its values, where it says how they are written."""

    def shown(self, value: object) -> str:
        """Return a value as tenants.yaml would have it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; `origin` is `tenants.<id>`, `defaults` or `built in`."""

    key: str
    value: str
    origin: str
    meaning: str


def settings(tenants: Tenants, detector: str, tenant: str | None = None) -> tuple[Setting, ...]:
    """Return a detector's settings as this tenant has them, or as one has that overrides nothing."""
    default = tenants.default_detectors[detector]
    mine = tenants.by_id[tenant].detectors[detector] if tenant else default
    found = []
    for name, field in type(mine).model_fields.items():
        key = field.alias or name
        value = _shown(mine, name, field)
        if tenant and value != _shown(default, name, field):
            origin = f"tenants.{tenant}"
        else:
            origin = "defaults" if name in default.model_fields_set else "built in"
        found.append(Setting(key, value, origin, field.description or ""))
    return tuple(found)


def keys(thresholds: BaseModel) -> list[str]:
    """Return the settings' names as tenants.yaml has them."""
    return [field.alias or name for name, field in type(thresholds).model_fields.items()]


def shown(thresholds: BaseModel, key: str) -> str:
    """Return a setting as people write it."""
    for name, field in type(thresholds).model_fields.items():
        if key in (name, field.alias):
            return _shown(thresholds, name, field)
    raise KeyError(key)


def _shown(thresholds: BaseModel, name: str, field: FieldInfo) -> str:
    value = getattr(thresholds, name)
    kind = next((item for item in field.metadata if isinstance(item, Kind)), None)
    if kind:
        return kind.shown(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
