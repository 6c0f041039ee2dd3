"""Addresses of web servers, as flags and keys hold them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit


def is_base(text: str) -> bool:
    """Return whether a path may be added to `text`: a scheme of the web, a host, no query, no fragment.

    >>> is_base("https://grafana.example.com/d"), is_base("grafana.example.com"), is_base("https://a/?b")
    (True, False, False)
    """
    try:
        parts = urlsplit(text)
        port = parts.port  # reading it is what finds 99999
    except ValueError:
        return False
    bare = not re.search(r"[\s?#{}]", text)  # braces would be a template in an annotation
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0 and bare
