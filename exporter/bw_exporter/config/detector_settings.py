"""Thresholds in force: a tenant's over those of `defaults` over the detectors' own, key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pydantic import BaseModel, ValidationError

from bw_exporter.config.problems import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from bw_exporter.config.problems import Path, Problems

_MAPPING = "must be a mapping: `key: value` lines below it"


@runtime_checkable
class Choosy(Protocol):
    """Thresholds that do not read all of their keys."""

    def unread(self) -> frozenset[str]:
        """Return the keys that have no effect beside the others."""

    def to_read(self, given: Mapping[str, object]) -> str:
        """Return what to write so that the keys of a section are read."""


class DetectorSettings:
    """Merges and validates `detectors:` sections; equal results are the same object."""

    def __init__(
        self,
        models: Mapping[str, type[BaseModel]],
        section: object,
        problems: Problems,
        unread: Problems,
    ) -> None:
        """`section` is `defaults.detectors`; mistakes in it are noted once, not again for each tenant.

        Keys that are right and have no effect are noted in `unread`.
        """
        self.unread = unread
        self._models = models
        self._problems = problems
        self._shared: dict[object, Any] = {}
        self._given = self._sections(section, ("defaults", "detectors"))
        self._unusable: set[str] = set()
        self._read_by_tenants: set[tuple[str, str]] = set()
        self.defaults: dict[str, BaseModel] = {}
        for name, model in models.items():
            thresholds = self._valid(name, {}, ("defaults", "detectors", name))
            if thresholds is None:
                self._unusable.add(name)
            self.defaults[name] = thresholds or self._share(model())

    def merged(self, section: object, path: Path) -> Mapping[str, BaseModel]:
        """Return the thresholds by detector of a tenant whose `detectors:` is `section`."""
        own = self._sections(section, (*path, "detectors"))
        if not own:
            return self.defaults
        found = dict(self.defaults)
        for name, values in own.items():
            found[name] = self._valid(name, values, (*path, "detectors", name)) or found[name]
            unread = _unread(found[name], values)
            self._read_by_tenants.update(
                (name, key) for key in self._given.get(name, {}) if key not in unread
            )
            self._note_unread(name, found[name], {key: values[key] for key in values if key in unread}, path)
        key = tuple(id(found[name]) for name in self._models)
        shared: dict[str, BaseModel] = self._shared.setdefault(key, found)
        return shared

    def note_unread_defaults(self) -> None:
        """Note the keys of the defaults that no tenant reads; to be called after the last tenant."""
        for name, values in self._given.items():
            unread = _unread(self.defaults[name], values)
            kept = {
                key: value
                for key, value in values.items()
                if key in unread and (name, key) not in self._read_by_tenants
            }
            self._note_unread(name, self.defaults[name], kept, ("defaults",))

    def _note_unread(self, name: str, thresholds: BaseModel, values: dict[str, Any], path: Path) -> None:
        if values and isinstance(thresholds, Choosy):
            keys = ", ".join(values)
            self.unread.add(
                (*path, "detectors", name), f"{keys}: {_not_read(values)}; {thresholds.to_read(values)}"
            )

    def _sections(self, section: object, path: Path) -> dict[str, dict[str, Any]]:
        """Return the usable part of a `detectors:` mapping."""
        if section is None:
            return {}
        if not isinstance(section, dict):
            self._problems.add(path, _MAPPING)
            return {}
        found = {}
        for name, values in section.items():
            if name not in self._models:
                self._problems.add((*path, name), unknown(name, self._models, "detector"))
            elif values is not None and not isinstance(values, dict):
                self._problems.add((*path, name), _MAPPING)
            else:
                found[name] = values or {}
        return found

    def _valid(self, name: str, values: dict[str, Any], path: Path) -> BaseModel | None:
        """Validate `values` over the defaults; what is wrong in the defaults alone is not said again."""
        merged = {**self._given.get(name, {}), **values}
        is_default = path[0] == "defaults"
        try:
            return self._share(self._models[name].model_validate(merged))
        except ValidationError as error:
            found = error.errors(include_url=False)
        mine = [
            one
            for one in (*found, *self._together(name, merged, found))
            if is_default or (one["loc"][0] in values if one["loc"] else name not in self._unusable)
        ]
        if mine:
            self._problems.add_errors(path, mine, self._models[name])
        return None

    def _together(self, name: str, merged: dict[str, Any], found: list[ErrorDetails]) -> list[ErrorDetails]:
        """Return what is wrong between sound keys: pydantic looks at that only where no key is wrong by itself."""
        wrong = {one["loc"][0] for one in found if one["loc"]}
        if wrong:
            try:
                self._models[name].model_validate({key: merged[key] for key in merged if key not in wrong})
            except ValidationError as error:
                return error.errors(include_url=False)
        return []

    def _share(self, thresholds: BaseModel) -> BaseModel:
        shared: BaseModel = self._shared.setdefault(thresholds, thresholds)
        return shared


def _unread(thresholds: BaseModel, given: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys without effect; whoever writes `enabled: false` beside them knows it."""
    if given.get("enabled") is False or not isinstance(thresholds, Choosy):
        return frozenset()
    return thresholds.unread()


def _not_read(values: Mapping[str, object]) -> str:
    return f"{'has' if len(values) == 1 else 'have'} no effect"
