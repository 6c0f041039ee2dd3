"""How a rule file is rendered: flags and text, alike for every command that renders one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from bw_rules.commands._flags import flag, load
from bw_rules.groups import build

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

FORMATS = ("prometheus", "operator", "mimir")


@dataclass(frozen=True, slots=True)
class Rendering:
    """The flags of `rendering`, by their parameters."""

    job: str
    runbook_base: str
    dashboard_base: str | None
    exporter_base: str | None
    format: str
    name: str
    namespace: str | None
    label: tuple[tuple[str, str], ...]


def _job(text: str) -> str:
    if not text.strip():
        raise ValueError("give the exporter's job_name in Prometheus; none is called nothing")
    return text


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError("write it as KEY=VALUE")
    return name, value


job = flag("--job", "The exporter's scrape job.", read=_job, default=build.JOB, metavar="JOB")

_FLAGS = (
    job,
    flag(
        "--runbook-base",
        "Where the runbooks are.",
        default=build.RUNBOOK_BASE,
        shown_default="this project's, on GitHub",
        metavar="URL",
    ),
    flag(
        "--dashboard-base",
        "Where the dashboards are: Grafana's address and /d.",
        shown_default=f"dashboard_base of the tenants.yaml, else {build.DASHBOARD_BASE}",
        metavar="URL",
    ),
    flag(
        "--exporter-base",
        "The exporter's page, as people reach it.",
        shown_default="where Prometheus scrapes it",
        metavar="URL",
    ),
    flag("--format", "Who reads it.", choices=FORMATS, default="prometheus"),
    flag("--name", "Name of the PrometheusRule.", default="billingwatch", metavar="NAME"),
    flag("--namespace", "Namespace of the PrometheusRule, or of the groups in Mimir.", metavar="NAME"),
    flag(
        "--label",
        "A label on the PrometheusRule; may be repeated.",
        read=_label,
        multiple=True,
        metavar="K=V",
    ),
)


def rendering(function: Decorated) -> Decorated:
    """Add the flags of Rendering to a command."""
    for add in reversed(_FLAGS):
        function = add(function)
    return function


def rendered(config_file: str, wanted: Rendering) -> str:
    """Return the rule file of a tenants.yaml; raises ConfigError."""
    tenants = load(config_file)
    dashboards = wanted.dashboard_base or tenants.dashboard_base or build.DASHBOARD_BASE
    settings = build.Settings(wanted.job, wanted.runbook_base, dashboards, wanted.exporter_base or "")
    if wanted.format == "mimir":
        from bw_rules.render import mimir

        groups = build.groups(tenants, settings, mimir.RULES_PER_GROUP)
        if len(groups) > mimir.GROUPS_PER_TENANT:
            click.echo(f"{config_file}: {mimir.too_many(len(groups))}", err=True)
        return mimir.render(groups, config_file, wanted.namespace or wanted.name)
    groups = build.groups(tenants, settings)
    if wanted.format == "operator":
        from bw_rules.render import operator

        return operator.render(groups, config_file, wanted.name, wanted.namespace, dict(wanted.label))
    from bw_rules.render import prometheus

    return prometheus.render(groups, config_file)
