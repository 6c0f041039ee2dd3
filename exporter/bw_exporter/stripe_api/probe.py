"""What a tenant's API key may read, and whether its webhook endpoint at Stripe is as it should be. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bw_exporter.stripe_api.endpoints import EVERY_TYPE, Endpoint, endpoints, of_tenant, selects
from bw_exporter.stripe_api.errors import StripeApiError
from bw_exporter.stripe_api.lists import Client
from bw_exporter.stripe_api.permissions import LISTS, form

_NAMED = 6


@dataclass(frozen=True, slots=True)
class Subject:
    """A tenant as the probe needs it: its mode, the last part of its webhook URL, and the public listener's address.

    `shown_path` is what may be printed of `path`, which may be a secret.
    """

    mode: str
    path: str
    shown_path: str
    webhook_url: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what to do, which is empty where all is well."""

    name: str
    said: str
    todo: str = ""


def probe(client: Client, subject: Subject, *, select: Collection[str], unwanted: str) -> list[Check]:
    """Return what was looked at. An endpoint should have the events `select` and must not have `unwanted`."""
    checks = list(_key(client, subject))
    if checks[0].todo:
        return checks
    try:
        listed = endpoints(client)
    except StripeApiError:
        return checks  # that endpoints cannot be read has been said
    return [
        *checks,
        *_endpoint(of_tenant(listed, subject.path, subject.webhook_url), subject, select, unwanted),
    ]


def _key(client: Client, subject: Subject) -> Iterator[Check]:
    """Say whether the key works, is of the tenant's mode, and may read each list."""
    lists = []
    for name, permission in LISTS.items():
        try:
            page = client.get(f"/v1/{name}", limit=1)
        except StripeApiError as error:
            if error.reason == "permission":
                todo = f"let the key read this ({permission}): {form(subject.mode)}"
                lists.append(Check(name, str(error), todo))
                continue
            yield Check("key", str(error), _way_out(error, subject.mode))
            return
        if name == "events" and (other := _other_mode(page, subject.mode)):
            todo = f"make a key in {subject.mode} mode: {form(subject.mode)}"
            yield Check("key", f"it reads {other} events, and the tenant's mode is {subject.mode}", todo)
            return
        lists.append(Check(name, "may be read"))
    yield Check("key", f"works, {subject.mode} mode")
    yield from lists


def _way_out(error: StripeApiError, mode: str) -> str:
    match error.reason:
        case "authentication":
            return f"make a new key and put it where tenants.yaml says: {form(mode)}"
        case "rate_limited":
            return "wait a minute and try again"
        case "unreachable":
            return "let this machine reach https://api.stripe.com; no proxy is used but the one of --stripe.api-url"
        case _:
            return "try again; https://status.stripe.com says how Stripe is"


def _other_mode(page: dict[str, object], mode: str) -> str:
    """Return the mode of the newest event, if it is not the tenant's."""
    match page.get("data"):
        case [{"livemode": bool(live)}, *_] if live != (mode == "live"):
            return "live" if live else "test"
    return ""


def _endpoint(
    ours: list[Endpoint], subject: Subject, select: Collection[str], unwanted: str
) -> Iterator[Check]:
    where = f"{subject.webhook_url}/webhooks/{subject.shown_path}"
    if not ours:
        todo = "make one, as docs/stripe.md says, or look whether the URL of one has a mistake"
        yield Check("endpoint", f"none leads to {where}", todo)
        return
    enabled = [one for one in ours if one.enabled]
    if enabled:
        yield Check("endpoint", f"{where} is enabled")
    else:
        todo = "enable it in Stripe's dashboard, Developers, Webhooks; catch-up counts what was missed"
        yield Check("endpoint", f"{where} is disabled", todo)
    missing = [name for name in select if not selects(ours, name)]
    if missing:
        yield Check("selected events", f"{len(missing)} are not selected", f"select {_named(missing)}")
    else:
        yield Check("selected events", f"all {len(select)} that count are selected")
    if selects(ours, unwanted):
        every = " ('Select all events' does)" if any(EVERY_TYPE in one.events for one in ours) else ""
        said = (
            f"{unwanted} is selected{every}: Stripe holds invoices back while an endpoint does not answer it"
        )
        yield Check(unwanted, said, "take it out of the endpoint's events")
    versions = sorted({one.api_version or "the account's own" for one in ours})
    yield Check("API version", f"{', '.join(versions)}; events of any version are read")


def _named(missing: list[str]) -> str:
    more = len(missing) - _NAMED
    return ", ".join(missing[:_NAMED]) + (f" and {more} more of those in docs/stripe.md" if more > 0 else "")
