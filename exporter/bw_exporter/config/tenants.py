"""tenants.yaml -> frozen Tenants: what the exporter, the rules and the routing all start from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from bw_exporter.config.alerting.receiver_fields import Alertmanager, mistakes
from bw_exporter.config.alerting.receivers import Receiver, check_notify, check_receiver, read_receivers
from bw_exporter.config.detector_settings import DetectorSettings
from bw_exporter.config.problems import Problems, unknown
from bw_exporter.config.reading import yaml_strict
from bw_exporter.config.secrets.api_keys import ApiKeyReader
from bw_exporter.config.secrets.webhook_secrets import SecretReader
from bw_exporter.config.shape import Common, Defaults, DestinationCharges, Past, TenantEntry, WatchdogSection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bw_exporter.errors import Problem

_TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_TOP_LEVEL = ("defaults", "tenants", "receivers", "watchdog")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Validly signed events per second, and how many may come at once; rate 0 means no limit."""

    rate: int = 500
    burst: int = 5000


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How often Stripe is asked for events (0 = never), and how old one is before it counts as missed, in seconds."""

    every_seconds: int = 120
    after_seconds: int = 300


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant with every default filled in. Equal thresholds, labels and lists are shared objects.

    `past` is how much of the past its detectors compare with; `timezone` is an IANA name that was found.
    """

    id: str
    name: str
    mode: Literal["live", "test"]
    path: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    rate_limit: RateLimit
    revenue_basis: Literal["charge", "payment_intent", "invoice"]
    detectors: Mapping[str, Any]
    notify: tuple[str, ...]
    labels: Mapping[str, str]
    past: Past = "4w"
    timezone: str = "UTC"
    api_key: str = field(default="", repr=False)
    catch_up: CatchUp = CatchUp()
    destination_charges: DestinationCharges = "ignore"

    @property
    def asked_every_seconds(self) -> int:
        """How often Stripe is asked for its events; 0 where there is no key, or it is not wanted."""
        return self.catch_up.every_seconds if self.api_key else 0


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Receivers of exporter alerts; None where the file leaves it to the defaults."""

    notify: tuple[str, ...] | None = None
    heartbeat: str | None = None


@dataclass(frozen=True)
class Tenants:
    """A whole tenants.yaml; `all` is sorted by id. Pickles small, since tenants share what is equal.

    What begins with `default_` is what a tenant has that overrides nothing. `dashboard_base` is the address that
    alerts link to, without a slash at its end, or None where the file names none. `unread` are keys that are right and
    have no effect, each with what to write instead.
    """

    all: tuple[Tenant, ...]
    receivers: Mapping[str, Receiver]
    source: str
    watchdog: Watchdog = Watchdog()
    default_detectors: Mapping[str, Any] = field(default_factory=dict)
    default_labels: Mapping[str, str] = field(default_factory=dict)
    default_notify: tuple[str, ...] = ()
    default_past: Past = "4w"
    default_catch_up: CatchUp = CatchUp()
    dashboard_base: str | None = None
    unread: tuple[Problem, ...] = ()

    @cached_property
    def by_id(self) -> Mapping[str, Tenant]:
        """Tenants by id."""
        return {tenant.id: tenant for tenant in self.all}

    @cached_property
    def by_path(self) -> Mapping[str, Tenant]:
        """Tenants by the last segment of their webhook URL."""
        return {tenant.path: tenant for tenant in self.all}


def load(
    path: str,
    *,
    detectors: Mapping[str, type[BaseModel]],
    read_secrets: bool = True,
    environ: Mapping[str, str] = os.environ,
    alertmanager: Alertmanager | None = None,
    allow_secret_key: bool = False,
) -> Tenants:
    """Read and check a tenants.yaml.

    `detectors` are the threshold models by detector name. With `read_secrets=False` neither secret files
    nor `environ` are touched and `Tenant.secrets` is empty. Relative secret files are looked for beside the
    file. An API key that could move money is refused unless `allow_secret_key`. With `alertmanager` the
    receivers' fields are judged too, as it would judge them. Raises ConfigError with every problem, in file order.
    """
    document = yaml_strict.read(path)
    problems = Problems(document)
    if not isinstance(document.value, dict):
        problems.add((), "must be a mapping with `tenants:` in it; see the configuration reference")
        problems.raise_any()
    top: dict[str, Any] = document.value
    for key in top:
        if key not in _TOP_LEVEL:
            problems.add((key,), unknown(key, _TOP_LEVEL))
    folder = Path(path).parent
    secrets = SecretReader(folder, environ, read=read_secrets)
    api_keys = ApiKeyReader(folder, environ, read=read_secrets, allow_secret_key=allow_secret_key)
    unread = Problems(document)
    reader = _Reader(top, problems, unread, secrets, api_keys, detectors)
    tenants = reader.tenants(top.get("tenants"))
    watchdog = reader.watchdog(top.get("watchdog"))
    reader.settings.note_unread_defaults()
    if alertmanager:
        for receiver in reader.receivers.values():
            for where, said in mistakes(receiver, alertmanager.version, alertmanager.global_keys):
                problems.add(where, said)
    problems.raise_any()
    return Tenants(
        tuple(sorted(tenants, key=lambda tenant: tenant.id)),
        reader.receivers,
        path,
        watchdog,
        reader.settings.defaults,
        reader.labels,
        reader.default_notify,
        reader.defaults.past or "4w",
        _catch_up(reader.defaults, Common()),
        reader.defaults.dashboard_base,
        unread=unread.in_file_order(),
    )


def _catch_up(entry: Common, defaults: Common) -> CatchUp:
    given = {
        **defaults.catch_up.model_dump(exclude_none=True),
        **entry.catch_up.model_dump(exclude_none=True),
    }
    return CatchUp(**{f"{name}_seconds": seconds for name, seconds in given.items()})


class _Reader:
    """Turns entries of one file into tenants, sharing equal parts between them."""

    def __init__(
        self,
        top: Mapping[str, Any],
        problems: Problems,
        unread: Problems,
        secrets: SecretReader,
        api_keys: ApiKeyReader,
        detectors: Mapping[str, type[BaseModel]],
    ) -> None:
        self._problems = problems
        self._secrets = secrets
        self._api_keys = api_keys
        self._shared: dict[object, Any] = {}
        self.receivers = read_receivers(top.get("receivers"), problems)
        named = top.get("receivers")
        self._receiver_names: dict[str, Any] = named if isinstance(named, dict) else {}
        raw = top.get("defaults")
        self.defaults = self._validated(Defaults, {} if raw is None else raw, ("defaults",)) or Defaults()
        defaults = raw if isinstance(raw, dict) else {}
        self.labels = self.defaults.labels
        self.default_notify = self._notify(defaults.get("notify"), ("defaults", "notify"))
        self.settings = DetectorSettings(detectors, defaults.get("detectors"), problems, unread)
        self._default_limit = self._rate_limit(self.defaults, RateLimit(), ("defaults",))

    def tenants(self, section: object) -> list[Tenant]:
        if not section:
            self._problems.add(
                ("tenants",), "there are none; add one: `tenants: {prod: {webhook_secret_file: …}}`"
            )
            return []
        if not isinstance(section, dict):
            self._problems.add(("tenants",), "must be a mapping from a tenant's id to its settings")
            return []
        found = [tenant for key, entry in section.items() if (tenant := self._tenant(key, entry))]
        owner: dict[str, Tenant] = {}
        for tenant in found:
            first = owner.setdefault(tenant.path, tenant)
            if first is not tenant:
                later, other = (tenant, first) if tenant.path != tenant.id else (first, tenant)
                self._problems.add(
                    ("tenants", later.id, "path_token"),
                    f"is the webhook path of tenant {other.id} too; make a new one",
                )
        return found

    def watchdog(self, section: object) -> Watchdog:
        if section is None:
            return Watchdog()
        valid = self._validated(WatchdogSection, section, ("watchdog",))
        if not isinstance(section, dict):
            return Watchdog()
        heartbeat, names = section.get("heartbeat"), section.get("notify")
        if isinstance(heartbeat, str):
            check_receiver(heartbeat, self._receiver_names, ("watchdog", "heartbeat"), self._problems)
        notify = None if names is None else self._notify(names, ("watchdog", "notify"))
        return Watchdog(notify, valid.heartbeat if valid else None)

    def _tenant(self, key: str, entry: object) -> Tenant | None:
        path = ("tenants", key)
        if not _TENANT_ID.fullmatch(key):
            self._problems.add(
                path,
                "a tenant's id is at most 63 of a-z, 0-9, `_` and `-`, not `_` or `-` first; rename it",
            )
        entry = {} if entry is None else entry
        if not isinstance(entry, dict):
            self._problems.add(path, "must be a mapping: `key: value` lines below it")
            return None
        valid = self._validated(TenantEntry, entry, path)
        secrets = self._secrets.secrets(entry, path, self._problems)
        detectors = self.settings.merged(entry.get("detectors"), path)
        own = entry.get("notify")
        notify = self.default_notify if own is None else self._notify(own, (*path, "notify"))
        if valid is None:
            return None
        defaults = self.defaults
        labels = {**defaults.labels, **valid.labels}
        mode = valid.mode or defaults.mode or "live"
        return Tenant(
            id=key,
            name=valid.name or key,
            mode=mode,
            path=valid.path_token or key,
            secrets=secrets,
            rate_limit=self._rate_limit(valid, self._default_limit, path),
            revenue_basis=valid.revenue_basis or defaults.revenue_basis or "charge",
            detectors=detectors,
            notify=self._shared.setdefault(("notify", *notify), notify),
            labels=self._shared.setdefault(("labels", *sorted(labels.items())), labels),
            past=valid.past or defaults.past or "4w",
            timezone=valid.timezone or defaults.timezone or "UTC",
            api_key=self._api_keys.key(entry, mode, path, self._problems),
            catch_up=_catch_up(valid, defaults),
            destination_charges=valid.destination_charges or defaults.destination_charges or "ignore",
        )

    def _validated(self, model: type[_Model], entry: object, path: tuple[object, ...]) -> _Model | None:
        try:
            return model.model_validate(entry)
        except ValidationError as error:
            self._problems.add_invalid(path, error, model)
            return None

    def _notify(self, names: object, path: tuple[object, ...]) -> tuple[str, ...]:
        return check_notify(names, self._receiver_names, path, self._problems)

    def _rate_limit(self, entry: Common, default: RateLimit, path: tuple[object, ...]) -> RateLimit:
        own = entry.rate_limit
        limit = RateLimit(
            default.rate if own.rate is None else own.rate, default.burst if own.burst is None else own.burst
        )
        if limit.rate and not limit.burst:
            self._problems.add(
                (*path, "rate_limit", "burst"),
                "must be at least 1 where there is a rate; rate: 0 means no limit",
            )
        shared: RateLimit = self._shared.setdefault(limit, limit)
        return shared
