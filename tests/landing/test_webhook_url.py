from __future__ import annotations

import pytest

from bw_exporter.command_line import options


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://hooks.example.com", "https://hooks.example.com"),
        ("https://hooks.example.com/stripe/", "https://hooks.example.com/stripe"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
    ],
)
def test_the_address_of_the_public_listener_may_have_a_path(given: str, used: str):
    assert options.url(given) == used


@pytest.mark.parametrize(
    "given", ["hooks.example.com", "ftp://x", "https://", "https://x?y", "javascript:alert(1)", "https://[x"]
)
def test_what_is_no_address_of_a_web_server_is_refused_with_an_example(given: str):
    with pytest.raises(ValueError, match=r"write it as https://hooks\.example\.com"):
        options.url(given)
