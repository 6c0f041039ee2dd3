from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bw_rules.cli import main
from bw_rules.detectors import DETECTORS, OFF_UNTIL_ASKED_FOR
from reference import rules_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = """
defaults: {detectors: {webhook_lag: {max_lag: 60s}}}
tenants:
  prod: {webhook_secret_file: /nowhere/secret, detectors: {fraud_spike: {min_disputes: 9}}}
  idle: {webhook_secret_env: NOT_SET, detectors: {silent_lapse: {enabled: false}}}
"""


@pytest.fixture
def file(config_file: Callable[[str], Path]) -> str:
    return str(config_file(TEXT))


def test_rules_need_neither_secret_files_nor_environment(file: str, capsys: pytest.CaptureFixture[str]):
    assert main(["render", "--config.file", file]) == 0
    assert capsys.readouterr().out.startswith("# Made by bw-rules from tenants.yaml; do not edit")


def test_alerts_link_to_the_dashboards_of_the_file_and_the_flag_wins(
    config_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    file = str(
        config_file(TEXT.replace("defaults: {", "defaults: {dashboard_base: 'https://g.example.com/d/', "))
    )
    main(["render", "--config.file", file])
    assert "dashboard_url: https://g.example.com/d/billingwatch-tenant?" in capsys.readouterr().out
    main(["render", "--config.file", file, "--dashboard-base", "https://other.example.com/d"])
    rendered = capsys.readouterr().out
    assert "https://other.example.com/d/billingwatch-" in rendered
    assert "g.example.com" not in rendered


def test_every_mistake_is_on_a_line_of_its_own(
    config_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    bad = config_file("tenants:\n  a: {mode: x}\n  b: {webhook_secret: whsec_a, nam: y}\n")
    assert main(["render", "--config.file", str(bad)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 3


@pytest.mark.parametrize("form", ["prometheus", "operator", "mimir"])
def test_what_was_rendered_passes_check_and_diff(
    file: str, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
):
    out = str(tmp_path / "rules.yml")
    assert main(["render", "--config.file", file, "--format", form, "--output", out]) == 0
    assert main(["check", "--config.file", file, out]) == 0
    assert main(["diff", "--config.file", file, "--format", form, out]) == 0
    assert "ok" in capsys.readouterr().out


def test_diff_shows_what_is_stale(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "rules.yml"
    main(["render", "--config.file", file, "--output", str(out)])
    out.write_text(out.read_text().replace(">= 9", ">= 8"))
    assert main(["diff", "--config.file", file, str(out)]) == 1
    assert "+" in capsys.readouterr().out


def test_a_rule_file_that_is_broken_fails_its_check(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "rules.yml"
    out.write_text("groups: [{name: g, rules: [{alert: A, expr: 'billing_nothing_total > 1'}]}]\n")
    assert main(["check", "--config.file", file, str(out)]) == 1
    assert "g.A: no metric is called billing_nothing_total" in capsys.readouterr().out


@pytest.mark.usefixtures("promtool")
@pytest.mark.parametrize("form", ["prometheus", "operator", "mimir"])
def test_promtool_is_asked_whatever_the_format(
    file: str, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "rules.yml"
    assert main(["render", "--config.file", file, "--format", form, "--output", str(out)]) == 0
    out.write_text(out.read_text().replace("for: 5m", "for: soon"))
    assert main(["check", "--config.file", file, str(out)]) == 1
    said = capsys.readouterr().out
    assert f"{out}: promtool: " in said
    assert "soon" in said


def test_list_shows_every_detector_and_who_differs(file: str, capsys: pytest.CaptureFixture[str]):
    assert main(["list", "--config.file", file]) == 0
    said = capsys.readouterr().out
    assert all(f"{name}: " in said for name in DETECTORS)
    assert "prod: min_disputes 9" in said
    assert "idle: off" in said


@pytest.mark.parametrize("detector", DETECTORS)
def test_explain_tells_thresholds_their_origin_promql_and_runbook(
    file: str, detector: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["explain", detector, "--config.file", file]) == 0
    said = capsys.readouterr().out
    if detector in OFF_UNTIL_ASKED_FOR:
        assert f"It is off: no rule covers this. {detector}: {{enabled: true}}" in said
        return
    assert f"Alert {DETECTORS[detector].alert}, threshold_profile default" in said
    assert "## How to tune" in said


def test_explain_tells_where_a_threshold_comes_from(file: str, capsys: pytest.CaptureFixture[str]):
    main(["explain", "fraud_spike", "--tenant", "prod", "--config.file", file])
    said = capsys.readouterr().out
    assert any("min_disputes" in line and "tenants.prod" in line for line in said.splitlines())
    main(["explain", "webhook_lag", "--config.file", file])
    said = capsys.readouterr().out
    assert any("max_lag" in line and "defaults" in line for line in said.splitlines())


def test_a_misspelled_detector_or_tenant_is_met_with_the_nearest(
    file: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["explain", "fraud_spik", "--config.file", file]) == 1
    assert "did you mean fraud_spike?" in capsys.readouterr().err
    assert main(["explain", "fraud_spike", "--tenant", "prd", "--config.file", file]) == 1
    assert "did you mean prod?" in capsys.readouterr().err


def test_a_tenant_that_is_like_no_other_is_met_with_those_there_are(
    file: str, config_file: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
):
    assert main(["explain", "fraud_spike", "--tenant", "nope", "--config.file", file]) == 1
    said = capsys.readouterr().err
    assert "has no tenant nope; it has idle, prod; without --tenant the defaults are explained" in said
    many = "".join(f"  shop-{n}: {{webhook_secret: whsec_a}}\n" for n in range(1500))
    assert (
        main(
            [
                "explain",
                "fraud_spike",
                "--tenant",
                "x",
                "--config.file",
                str(config_file(f"tenants:\n{many}")),
            ]
        )
        == 1
    )
    assert "and 1,490 more; without" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["render", "--job", ""], "--job: give the exporter's job_name"),
        (["alertmanager", "--alertmanager-version", "0.24"], "--alertmanager-version: 0.25 is the oldest"),
        (["alertmanager", "--alertmanager-version", "new"], "--alertmanager-version: write it as 0.27"),
        (["render", "--label", "a"], "--label: write it as KEY=VALUE"),
        (["test", "--format", "mimir"], "No such option '--format'"),
        (["explain", "fraud_spike", "--name", "x"], "No such option '--name'"),
        (["rendr"], "Did you mean 'render'?"),
        (["render", "--dashboard-bas", "x"], "Did you mean '--dashboard-base'?"),
        (["render", "mine.yaml"], "mine.yaml is one. Give it with --config.file."),
    ],
)
def test_what_a_command_cannot_use_is_refused_and_not_ignored(
    file: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    assert main([*words, "--config.file", file]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "Bad_Name!"], "--name: 'Bad_Name!' is no name"),
        (["--name", "a..b"], "--name: "),
        (["--name", ""], "--name: "),
        (["--namespace", "X"], "--namespace: 'X' is no namespace"),
        (["--namespace", "a.b"], "--namespace: "),
        (["--label=-a=b"], "--label: '-a' is no label"),
        (["--label", "Up/a=b"], "--label: 'Up/a' is no label"),
        (["--label", "a=b c"], "--label: a's value"),
    ],
)
def test_what_kubernetes_would_refuse_of_a_prometheus_rule_is_said_with_the_way_out(
    file: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
):
    render = ["render", "--config.file", file, "--format", "operator"]
    assert main([*render, *words]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(said)
    assert captured.out == ""
    good = ["--name", "a-1.b", "--namespace", "a-1", "--label", "example.com/A_1=B.2", "--label", "empty="]
    assert main([*render, *good]) == 0


def test_the_command_loads_neither_flask_nor_stripe_nor_a_store():
    code = (
        "import sys, click, bw_rules.cli, bw_rules.explain, bw_rules.verify.validate, bw_rules.verify.trial_run\n"
        "import bw_rules.render.merge\n"
        "bw_rules.cli.program.get_help(click.Context(bw_rules.cli.program))\n"
        "heavy = {'flask', 'stripe', 'gunicorn', 'sqlite3', 'bw_exporter.store', 'promql_parser', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_is_shipped_is_what_would_be_generated_now():
    assert [str(path) for path in rules_files.stale()] == []


def test_routing_is_written_alone_or_into_what_is_there(
    config_file: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    config = str(config_file(TEXT + "receivers: {mail: {email: {to: a@example.com}}}\n"))
    assert main(["alertmanager", "--config.file", config]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("# Made by bw-rules from tenants.yaml; do not edit")
    assert "receivers.mail.email" in captured.err
    base, merged = tmp_path / "base.yml", tmp_path / "merged.yml"
    base.write_text("route: {receiver: theirs}\nreceivers: [{name: theirs}]\n")
    command = ["alertmanager", "--config.file", config, "--base", str(base), "--output", str(merged)]
    assert main(command) == 0
    assert "theirs" in merged.read_text()
    assert main([*command[:-3], str(tmp_path / "none.yml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_an_output_that_cannot_be_written_is_said_plainly(file: str, capsys: pytest.CaptureFixture[str]):
    assert main(["render", "--config.file", file, "--output", "/nowhere/rules.yml"]) == 1
    assert "/nowhere/rules.yml: cannot be written" in capsys.readouterr().err


def test_a_rule_file_is_replaced_whole_and_keeps_its_mode(file: str, tmp_path: Path):
    folder = tmp_path / "rules"
    folder.mkdir()
    real, link = folder / "real.yml", folder / "link.yml"
    real.write_text("groups: []\n")
    real.chmod(0o640)
    link.symlink_to(real)
    before = real.stat()
    with real.open() as reader:
        assert main(["render", "--config.file", file, "--output", str(link)]) == 0
        assert reader.read() == "groups: []\n"
    assert link.is_symlink()
    assert real.read_text().startswith("# Made by bw-rules")
    assert real.stat().st_mode == before.st_mode
    assert real.stat().st_ino != before.st_ino
    assert sorted(folder.iterdir()) == [link, real]


def test_a_new_rule_file_can_be_read_as_the_umask_allows(file: str, tmp_path: Path):
    mask = os.umask(0o027)
    try:
        assert main(["render", "--config.file", file, "--output", str(tmp_path / "new.yml")]) == 0
    finally:
        os.umask(mask)
    assert (tmp_path / "new.yml").stat().st_mode & 0o777 == 0o640


def test_a_disk_that_is_full_leaves_the_rules_as_they_were(file: str, tmp_path: Path):
    out = tmp_path / "rules.yml"
    out.write_text("groups: []\n")
    limited = (
        "import resource, signal, sys; from bw_rules.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", limited, "render", "--config.file", file, "--output", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, out.read_text()) == (1, "groups: []\n")
    assert f"{out}: cannot be written" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rules.yml", "tenants.yaml"]


def test_a_difference_is_told_by_the_exit_code_though_nobody_reads_all_of_it(file: str, tmp_path: Path):
    out = tmp_path / "rules.yml"
    assert main(["render", "--config.file", file, "--format", "operator", "--output", str(out)]) == 0
    command = [sys.executable, "-m", "bw_rules.cli", "diff", str(out), "--config.file", file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as differing:
        assert differing.stdout is not None
        assert differing.stdout.readline().startswith(b"---")
        differing.stdout.close()
        assert differing.wait() == 1


def test_an_empty_variable_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BW_CONFIG_FILE", "")
    (tmp_path / "tenants.yaml").write_text("tenants: {prod: {webhook_secret: whsec_a}}")
    assert main(["list"]) == 0


def test_rules_can_be_written_into_a_pipe(file: str):
    command = [
        sys.executable,
        "-m",
        "bw_rules.cli",
        "render",
        "--config.file",
        file,
        "--output",
        "/dev/stdout",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("# Made by bw-rules")


def test_a_file_that_cannot_be_replaced_is_written_in_place(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "rules.yml"
    out.write_text("groups: []\n")

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")  # as a file mounted by itself answers

    monkeypatch.setattr("pathlib.Path.replace", busy)
    assert main(["render", "--config.file", file, "--output", str(out)]) == 0
    assert out.read_text().startswith("# Made by bw-rules")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rules.yml", "tenants.yaml"]


def test_every_flag_has_a_variable_of_its_own_beside_those_of_the_exporter(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("BW_FORMAT", "csv")
    monkeypatch.setenv("BW_RULES_FORMAT", "operator")
    monkeypatch.setenv("BW_RULES_LABEL", "team=payments env=prod")
    assert main(["render", "--config.file", file]) == 0
    said = capsys.readouterr().out
    assert "kind: PrometheusRule" in said
    assert "team: payments" in said
    assert "env: prod" in said


def test_ctrl_c_ends_a_command_without_a_traceback(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def interrupted(_tenants: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr("bw_rules.explain.listing", interrupted)
    assert main(["list", "--config.file", file]) == 130
    assert "Traceback" not in capsys.readouterr().err
