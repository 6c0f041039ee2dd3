"""What a web page in a browser that can reach the private listener may not do with it.

A page may send a POST to any address (request forgery). A page of a name that its owner points to 127.0.0.1 may read
what the listener answers (DNS rebinding). Prometheus is no browser: it
sends neither Origin nor Sec-Fetch-Site, and names the listener as its configuration does.
"""

from __future__ import annotations

import ipaddress

from werkzeug.datastructures import Headers


def sent_by_a_page(headers: Headers) -> bool:
    """Whether a request comes from a page: browsers add these to every POST, and no page can leave them out."""
    return "Origin" in headers or "Sec-Fetch-Site" in headers


def may_be_rebound(host: str, bound_to: str) -> bool:
    """Whether a Host header may be a stranger's name for a listener that is bound to loopback.

    An address, localhost and a name without a dot cannot be pointed here by a stranger.
    """
    if not _is_loopback(bound_to):
        return False
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".").lower()
    return "." in name and not name.endswith(".localhost") and not _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(bound_to: str) -> bool:
    return _is_address(bound_to) and ipaddress.ip_address(bound_to).is_loopback
