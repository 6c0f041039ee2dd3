"""What people read: titles, texts and links that receivers get where tenants.yaml gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bw_exporter.config.receivers import Receiver

_FIRST = "(index .Alerts 0)"
_HEAD = (
    '{{ if eq .Status "firing" }}{{ .CommonLabels.severity | toUpper }}{{ else }}RESOLVED{{ end }}'
    "{{ with .CommonLabels.tenant }} {{ . }}{{ end }}: " + f"{{{{ {_FIRST}.Annotations.summary }}}}"
)
_SINCE = (
    'since {{ .StartsAt.UTC.Format "2006-01-02 15:04 UTC" }}'
    '{{ if eq .Status "resolved" }}, ended {{ .EndsAt.UTC.Format "15:04 UTC" }}{{ end }}'
)
_SLACK_TEXT = (
    "{{ range .Alerts }}"
    "{{ .Annotations.description }}\n"
    f"_{{{{ .Labels.alertname }}}}, {_SINCE}_\n"
    "<{{ .Annotations.runbook_url }}|Runbook> · <{{ .Annotations.dashboard_url }}|Dashboard>"
    "{{ with .Annotations.findings }} · which ones: `{{ . }}`{{ end }}\n"
    "{{ end }}"
)
_PLAIN_TEXT = (
    "{{ range .Alerts }}"
    "{{ .Annotations.description }}\n"
    f"{{{{ .Labels.alertname }}}}, {_SINCE}\n"
    "Runbook: {{ .Annotations.runbook_url }}\n"
    "Dashboard: {{ .Annotations.dashboard_url }}\n"
    "{{ with .Annotations.findings }}Which ones: {{ . }}\n{{ end }}"
    "{{ end }}"
)
_SLACK_COLOR = (
    '{{ if eq .Status "resolved" }}good{{ else if eq .CommonLabels.severity "critical" }}danger'
    '{{ else if eq .CommonLabels.severity "warning" }}warning{{ else }}#439FE0{{ end }}'
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
        "severity": "{{ .CommonLabels.severity }}",
        "class": "{{ .CommonLabels.alertname }}",
        "component": "{{ .CommonLabels.detector }}",
        "group": "{{ .CommonLabels.tenant }}",
        "client": "BillingWatch",
        "client_url": f"{{{{ {_FIRST}.Annotations.dashboard_url }}}}",
        "links": [
            {"text": "Runbook", "href": f"{{{{ {_FIRST}.Annotations.runbook_url }}}}"},
            {"text": "Dashboard", "href": f"{{{{ {_FIRST}.Annotations.dashboard_url }}}}"},
        ],
        "details": {"what": _PLAIN_TEXT},
    },
    "email": {"send_resolved": True, "headers": {"Subject": _HEAD}, "text": _PLAIN_TEXT, "html": ""},
    "webhook": {"send_resolved": True},
    "discord": {"send_resolved": True, "title": _HEAD, "message": _PLAIN_TEXT},
    "telegram": {"send_resolved": True, "message": f"{_HEAD}\n{_PLAIN_TEXT}"},
}

_LOCAL_MAIL = {"smarthost": "localhost:25", "from": "billingwatch@localhost", "require_tls": False}


def with_defaults(receiver: Receiver) -> tuple[dict[str, Any], str]:
    """Return the receiver's fields with ours where it gives none, and a remark or an empty string."""
    config = {
        **receiver.fields,
        **{k: v for k, v in _DEFAULTS[receiver.kind].items() if k not in receiver.fields},
    }
    if receiver.kind == "email" and not {"smarthost", "from"} <= set(config):
        missing = {name: value for name, value in _LOCAL_MAIL.items() if name not in config}
        return {**config, **missing}, (
            "gives no smarthost and from; a mail server on localhost:25 is assumed. Give both to use another"
        )
    return config, ""
