"""Secrets are in memory and in the operator's files, and nowhere else that anybody can look."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from bw_exporter.config import tenants
from bw_exporter.errors import ConfigError
from bw_exporter.serving.private_memory import keep_memory_private
from bw_rules.detectors import THRESHOLDS
from support.exporter import RunningExporter, Start, ask

INLINE, IN_FILE, IN_ENVIRONMENT = (
    f"whsec_{name}Canary0123456789abcdef" for name in ("inline", "file", "env")
)
TOKEN = "tokenCanary0123456789abcdef"
ROUTING_KEY = "routingCanary0123456789"
SLACK = "https://hooks.slack.example/services/slackCanary"
NOBODY = 65534
CONFIG = f"""
tenants:
  one: {{webhook_secret: {INLINE}, notify: [chat, pager]}}
  two: {{webhook_secret_file: secret}}
  three: {{webhook_secret_env: CANARY_WHSEC, path_token: {TOKEN}}}
receivers:
  chat: {{slack: {{api_url: "{SLACK}", channel: "#b"}}}}
  pager: {{pagerduty: {{routing_key: {ROUTING_KEY}}}}}
"""


def processes(exporter: RunningExporter) -> list[int]:
    return [exporter.process.pid, *exporter.workers("public"), *exporter.workers("private")]


def test_no_page_no_metric_no_log_line_and_no_process_title_holds_a_secret(start: Start, tmp_path: Path):
    (tmp_path / "secret").write_text(IN_FILE)
    exporter = start(CONFIG, "--log.level", "debug", environ={"CANARY_WHSEC": IN_ENVIRONMENT})
    for tenant, secret in (("one", INLINE), ("two", IN_FILE), (TOKEN, IN_ENVIRONMENT)):
        assert exporter.send(f"evt-{secret[6:10]}", tenant, secret).status == 200
        assert exporter.send("wrong", tenant, "whsec_wrong").status == 400
    seen = [
        exporter.get(path) for path in ("/", "/?q=o", "/metrics", "/findings", "/-/ready", "/-/healthy", "/x")
    ]
    seen.append(exporter.reload())
    exporter.config.write_text(
        CONFIG.replace("webhook_secret:", "webhook_secrt:").replace("pager:", "pager: x:")
    )
    seen += [exporter.reload(), exporter.get("/")]
    seen += [ask(exporter.public, "POST", f"/webhooks/{name}", b"{}") for name in ("one", TOKEN, TOKEN[:-1])]
    texts = [f"{reply.headers}{reply.text}" for reply in seen]
    for pid in processes(exporter):
        texts += [Path(f"/proc/{pid}/{name}").read_bytes().decode() for name in ("cmdline", "comm", "status")]
    exporter.stop()
    texts.append(exporter.log_file.read_text())
    assert "three" in texts[0]
    for text in texts:
        assert "canary" not in text.lower()


@pytest.mark.parametrize(
    "entry",
    [
        "tenants: {one: {webhook_secret: [%s, {%s: 1}]}}",
        "tenants: {%s: {webhook_secret: 1}}",
        "tenants: {one: {%s: 1}}",
        "tenants: {one: {webhook_secret_env: %s}}",
        "tenants: {one: {webhook_secret: %s, notify: [%s]}}",
        "tenants: {one: {webhook_secret: %s, path_token: '%s!'}}",
        "tenants: {one: {webhook_secret: %s, labels: {a: 1, '%s': b}, mode: %s, name: [%s]}}",
        "tenants: {one: {webhook_secret: %s, detectors: {webhook_lag: {max_lag: %s, severity: %s}}}}",
        "receivers: {r: {pagerduty: {routing_key: {%s: [%s]}}, min_severity: %s}, s: {slack: {api_url: %s, x: y}}}",
        "tenants: {one: {webhook_secret: %s",
        "tenants: {one: {webhook_secret: !!int %s}}",
        "tenants: {one: {webhook_secret: *%s}}",
        "tenants: {one: {webhook_secret: %s, webhook_secret: %s}}",
    ],
)
def test_no_mistake_in_the_file_makes_its_message_repeat_a_secret(tmp_path: Path, entry: str):
    path = tmp_path / "tenants.yaml"
    path.write_text(entry.replace("%s", INLINE))
    with pytest.raises(ConfigError) as refused:
        tenants.load(str(path), detectors=THRESHOLDS)
    assert "canary" not in str(refused.value).lower()


def test_the_memory_of_every_process_is_kept_from_core_dumps(start: Start):
    exporter = start()
    for pid in processes(exporter):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        [soft] = [line.split()[4] for line in limits if line.startswith("Max core file size")]
        assert soft == "0"


def test_memory_and_environment_are_for_root_alone_and_no_core_is_written():
    """Undumpable: /proc/PID belongs to root, and a core is not written even where the limit would allow it."""
    with tempfile.TemporaryDirectory() as folder:
        ready, tell = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # from Python 3.12 on: the runner has threads
            child = os.fork()
        if child == 0:
            try:
                os.chdir(folder)
                if os.geteuid() == 0:
                    os.setgid(NOBODY)
                    os.setuid(NOBODY)
                keep_memory_private()
                signal.signal(
                    signal.SIGQUIT, signal.SIG_DFL
                )  # which is ignored below a shell's background job
                _, hard = resource.getrlimit(resource.RLIMIT_CORE)
                resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
                os.write(tell, b"x")
                signal.pause()
            finally:
                os._exit(1)
        os.read(ready, 1)
        owner = Path(f"/proc/{child}/environ").stat().st_uid
        os.kill(child, signal.SIGQUIT)
        _, status = os.waitpid(child, 0)
        assert owner == 0
        assert os.WIFSIGNALED(status)
        assert not os.WCOREDUMP(status)
        assert not list(Path(folder).iterdir())
        os.close(ready)
        os.close(tell)


_WATCHED = """
import json, sys
sys.path[:0] = {path!r}
from support.listener import listening
from support.wild_events import samples
from bw_exporter.housekeeping import StoreHealth
from bw_exporter.monitoring import exposition
with listening() as listener:
    listener.post(b"warm", "t=1,v1=a")
    seen = []
    forbidden = ("socket.", "subprocess.", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "urllib.")
    sys.addaudithook(lambda name, _: seen.append(name) if name.startswith(forbidden) else None)
    for _, text in samples():
        assert listener.deliver(json.loads(text)) == 200
    listener.keep_house(4000)
    listener.check_exposition()
    print(json.dumps(seen))
"""


def test_taking_events_and_being_scraped_opens_no_connection_and_starts_no_program():
    """So nothing that a stranger sends can make it ask anybody anything, and no child inherits its environment."""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED.format(path=[root])],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
