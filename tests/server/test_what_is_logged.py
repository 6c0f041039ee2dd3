from __future__ import annotations

import io
import json
import logging
import signal

import pytest

from bw_exporter import log
from support.exporter import SECRET, Start, ask, eventually, raw

TOKEN = "6f1c0a9b8d7e6f5a4b3c2d1e"


def test_no_secret_no_path_and_nothing_a_stranger_sends_is_logged(start: Start):
    config = f"tenants: {{prod: {{webhook_secret: {SECRET}, path_token: {TOKEN}}}}}"
    exporter = start(config, "--log.level", "debug")
    assert exporter.send(1, TOKEN).status == 200
    assert exporter.send("evil-body", TOKEN, secret="whsec_guessed_secret_0123456789").status == 400
    ask(exporter.public, "POST", "/webhooks/evil-path", b"evil-body", {"Evil-Header": "evil-value"})
    raw(exporter.public, b"GET /evil-path evil\r\nEvil-Header: evil-value\r\n\r\n")
    raw(exporter.public, b"GET /evil-path HTTP/1.1\r\nEvil Header: evil-value\r\n\r\n")
    exporter.config.write_text(
        f"tenants: {{prod: {{webhook_secret: [{SECRET}, other_{SECRET}], {SECRET}: 1}}}}"
    )
    assert exporter.reload().status == 400
    exporter.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(exporter.entries("not reloaded")) >= 2)
    exporter.stop()
    text = exporter.log_file.read_text()
    for forbidden in (SECRET, SECRET[6:], TOKEN, "guessed", "evil"):
        assert forbidden not in text.lower(), forbidden


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_entry_is_one_line_and_an_exception_is_told_without_its_text(
    style: str, monkeypatch: pytest.MonkeyPatch
):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log.configure("info", style)
        logger = logging.getLogger("bw_exporter.test")
        logger.info("two\nlines", extra={"tenant": 'a "b" = c', "count": 3, "empty": ""})
        try:
            {}["4242424242424242"]
        except KeyError:
            logger.exception("failed")
    finally:
        root.handlers[:], root.level = before
        logging.captureWarnings(capture=False)
    first, second = stream.getvalue().splitlines()
    if style == "json":
        assert json.loads(first)["tenant"] == 'a "b" = c'
        assert json.loads(first)["msg"] == "two\nlines"
    else:
        assert 'msg="two\\nlines" tenant="a \\"b\\" = c" count=3 empty=""' in first
    assert "KeyError" in second
    assert "test_what_is_logged.py" in second
    assert "4242" not in second
