"""The probe of one tenant: what it is asked of Stripe's side, from what tenants.yaml says."""

from __future__ import annotations

from bw_exporter.config.tenants import Tenant
from bw_exporter.facts.feeds import SELECT, UNWANTED
from bw_exporter.stripe_api.lists import Client
from bw_exporter.stripe_api.probe import Check, Subject, probe


def probed_by(client: Client, tenant: Tenant, webhook_url: str) -> list[Check]:
    """Ask Stripe about a tenant; what fails is a check with something to do."""
    shown = tenant.path if tenant.path == tenant.id else "<path_token>"
    subject = Subject(tenant.mode, tenant.path, shown, webhook_url)
    return probe(client, subject, select=SELECT, unwanted=UNWANTED)
