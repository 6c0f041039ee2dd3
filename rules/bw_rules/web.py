"""Asks web servers of somebody else's for JSON: every failure says what to do next, and no password is shown."""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from bw_exporter.errors import BillingWatchError

_ANSWER_SECONDS = 60


def fetched(url: str, what: str) -> Any:  # noqa: ANN401 - whatever JSON it is
    """Return the JSON under an address, which may hold a user and a password; raises BillingWatchError."""
    shown = redacted(url, url)
    try:
        with urllib.request.urlopen(request(url), timeout=_ANSWER_SECONDS) as answer:  # noqa: S310 - http or https
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise BillingWatchError(
            f"{shown}: no {what} there ({error.code} {error.reason}); give the address where they are, with user and "
            "password where it wants them (https://USER:PASSWORD@HOST)"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise BillingWatchError(
            f"{shown}: cannot be reached for {what} ({reason}); give an address that answers"
        ) from error
    except ValueError as error:
        raise BillingWatchError(
            f"{shown}: what answers there is no JSON; give the address where the {what} are"
        ) from error


def request(url: str, path: str = "", form: dict[str, Any] | None = None) -> urllib.request.Request:
    """Return a request for a path below an address, with the address' user and password in a header of its own."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = urllib.parse.urlunsplit((parts.scheme, host, parts.path.rstrip("/") + path, parts.query, ""))
    body = None if form is None else urllib.parse.urlencode(form).encode()
    made = urllib.request.Request(bare, body)  # noqa: S310 - http or https, as the flag was read
    if parts.username is not None:
        words = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        made.add_header("Authorization", "Basic " + base64.b64encode(words.encode()).decode())
    return made


def redacted(text: str, url: str) -> str:
    """Return the text without the user and the password of an address.

    >>> redacted("http://me:secret@example.com:9090 failed", "http://me:secret@example.com:9090")
    'http://example.com:9090 failed'
    """
    user, at, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    return text.replace(user + at, "") if at else text
