"""What people read: titles, texts and links that receivers get where tenants.yaml gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from bw_exporter.config.alerting.receivers import Receiver

_FIRST = "(index .Alerts 0)"
_WORST = (
    '{{ $worst := "info" }}{{ range or .Alerts.Firing .Alerts }}'
    '{{ if eq .Labels.severity "critical" }}{{ $worst = "critical" }}'
    '{{ else if and (eq .Labels.severity "warning") (eq $worst "info") }}{{ $worst = "warning" }}{{ end }}{{ end }}'
)
"""Of a group whose alerts differ in severity the common one is empty, which PagerDuty refuses."""
_HEAD = (
    f"{_WORST}"
    '{{ if eq .Status "firing" }}{{ $worst | toUpper }}{{ else }}RESOLVED{{ end }}'
    "{{ with .CommonLabels.tenant }} {{ . }}{{ end }}{{ with .CommonLabels.shard }} (shard {{ . }}){{ end }}: "
    f"{{{{ {_FIRST}.Annotations.summary }}}}"
)
_SINCE = (
    'since {{ .StartsAt.UTC.Format "2006-01-02 15:04 UTC" }}'
    '{{ if eq .Status "resolved" }}, ended {{ .EndsAt.UTC.Format "15:04 UTC" }}{{ end }}'
)
_SLACK_ALERT = (
    "{{ .Annotations.description }}\n"
    f"_{{{{ .Labels.alertname }}}}, {_SINCE}_\n"
    "<{{ .Annotations.runbook_url }}|Runbook> · <{{ .Annotations.dashboard_url }}|Dashboard>"
    "{{ with .Annotations.findings }} · <{{ . }}|Which ones>{{ end }}\n"
)
_PLAIN_ALERT = (
    "{{ .Annotations.description }}\n"
    f"{{{{ .Labels.alertname }}}}, {_SINCE}\n"
    "Runbook: {{ .Annotations.runbook_url }}\n"
    "Dashboard: {{ .Annotations.dashboard_url }}\n"
    "{{ with .Annotations.findings }}Which ones: {{ . }}\n{{ end }}"
)


_LIST = (
    "{{ $shown := .Alerts }}"
    "{{ if gt (len .Alerts) MOST }}{{ with .Alerts.Firing }}{{ $shown = . }}{{ end }}{{ end }}"
    "{{ $count := len $shown }}{{ if gt $count MOST }}{{ $count = MOST }}{{ end }}"
    "{{ range slice $shown 0 $count }}ALERT{{ end }}"
    "{{ if gt (len .Alerts) MOST }}and {{ len (slice .Alerts $count) }} more\n{{ end }}"
)
"""Some of a group's alerts, as a fault of the exporter may touch thousands of tenants; those that fire go first."""


def _first(most: int, alert: str) -> str:
    return _LIST.replace("MOST", str(most)).replace("ALERT", alert)


_SLACK_TEXT = _first(10, _SLACK_ALERT)
_PLAIN_TEXT = _first(10, _PLAIN_ALERT)
_SHORT_TEXT = _first(5, _PLAIN_ALERT)
"""For Discord and Telegram, which take 4,096 characters."""

_SLACK_COLOR = (
    f"{_WORST}"
    '{{ if eq .Status "resolved" }}good{{ else if eq $worst "critical" }}danger'
    '{{ else if eq $worst "warning" }}warning{{ else }}#439FE0{{ end }}'
)

_DEFAULTS: dict[str, dict[str, Any]] = {
    "slack": {
        "send_resolved": True,
        "username": "BillingWatch",
        "title": _HEAD,
        "title_link": f"{{{{ {_FIRST}.Annotations.dashboard_url }}}}",
        "text": _SLACK_TEXT,
        "fallback": _HEAD,
        "color": _SLACK_COLOR,
    },
    "pagerduty": {
        "send_resolved": True,
        "description": _HEAD,
        "severity": f"{_WORST}{{{{ $worst }}}}",
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.detector }}",
        "group": "{{ .CommonLabels.tenant }}",
        "client": "BillingWatch",
        "client_url": f"{{{{ {_FIRST}.Annotations.dashboard_url }}}}",
        "links": [
            {"text": "Runbook", "href": f"{{{{ {_FIRST}.Annotations.runbook_url }}}}"},
            {"text": "Dashboard", "href": f"{{{{ {_FIRST}.Annotations.dashboard_url }}}}"},
        ],
        "details": {"what": _PLAIN_TEXT, "firing": "", "resolved": ""},  # whose own texts hold every alert
    },
    "email": {"send_resolved": True, "headers": {"Subject": _HEAD}, "text": _PLAIN_TEXT, "html": ""},
    "webhook": {"send_resolved": True},
    "discord": {"send_resolved": True, "title": _HEAD, "message": _SHORT_TEXT},
    "telegram": {"send_resolved": True, "message": f"{_HEAD}\n{_SHORT_TEXT}"},
}

_LOCAL_SERVER = {"smarthost": "localhost:25", "require_tls": False}
_LOCAL_SENDER = {"from": "billingwatch@localhost"}


def with_defaults(receiver: Receiver, given: Collection[str] = ()) -> tuple[dict[str, Any], str]:
    """Return the receiver's fields with ours where it gives none, and a remark or an empty string.

    `given` are the keys under `global:` of the file that the receiver is merged into.
    """
    config = {
        **receiver.fields,
        **{k: v for k, v in _DEFAULTS[receiver.kind].items() if k not in receiver.fields},
    }
    if receiver.kind != "email":
        return config, ""
    assumed = {} if "smarthost" in config or "smtp_smarthost" in given else _LOCAL_SERVER
    assumed = assumed | ({} if "from" in config or "smtp_from" in given else _LOCAL_SENDER)
    if not assumed:
        return config, ""
    said = " and ".join(f"{name} {assumed[name]}" for name in ("smarthost", "from") if name in assumed)
    return {**assumed, **config}, f"{said} is assumed; give it to use another"
