from __future__ import annotations

import json
import urllib.request

from processes import free_port
from sink import Sink
from sink_page import page

POST = {
    "channel": "#billing",
    "attachments": [
        {
            "title": "CRITICAL trouble: A customer was charged twice.",
            "text": "1 duplicate <script>charge</script> found.\n_BillingDuplicateCharge, since 2026-11-21 21:58 UTC_\n"
            "<http://runbooks/x|Runbook>",
            "color": "danger",
        }
    ],
}


def test_the_page_shows_what_was_posted_to_slack_as_soon_as_it_comes() -> None:
    with Sink(free_port(0)) as sink:
        assert "Nothing has come yet" in urllib.request.urlopen(sink.url).read().decode()
        urllib.request.urlopen(f"{sink.url}/slack", data=json.dumps(POST).encode())
        shown = urllib.request.urlopen(sink.url).read().decode()
    assert "<b>CRITICAL</b> trouble: A customer was charged twice." in shown
    assert "<h1>1 firing, 0 resolved</h1>" in shown
    assert '<a href="http://runbooks/x">Runbook</a>' in shown
    assert 'class="danger"' in shown
    assert [(one.alert, one.resolved) for one in sink.messages] == [("BillingDuplicateCharge", False)]


def test_nothing_that_is_posted_becomes_markup_of_the_page() -> None:
    with Sink(free_port(0)) as sink:
        urllib.request.urlopen(f"{sink.url}/slack", data=json.dumps(POST).encode())
        urllib.request.urlopen(f"{sink.url}/slack", data=b"no JSON at all")
    assert "<script>" not in page(sink.messages)
    assert len(sink.messages) == 1
