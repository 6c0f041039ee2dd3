from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from bw_exporter.command_line import options
from bw_exporter.config import durations
from bw_rules.groups import build

from .checkers import run, tool
from .compose_file import ROOT, Container, image_environment, load, mounts

Services = dict[str, dict[str, Any]]
Containers = dict[str, Container]

WEBHOOK_PORTS = {("exporter", "8000"), ("caddy", "8443")}
LOOK_BACK_SECONDS = 57 * 86_400 + 3600


def long_running(services: Services) -> Services:
    return {name: service for name, service in services.items() if service["restart"] != "no"}


def published(service: dict[str, Any]) -> list[tuple[str, str]]:
    """(address of the host or nothing, port of the container) of each published port."""
    pairs = [port.rsplit(":", 2) for port in service.get("ports", [])]
    return [(parts[0] if len(parts) == 3 else "", parts[-1]) for parts in pairs]


def words(service: dict[str, Any]) -> list[str]:
    return [str(word) for word in service.get("command", [])]


def flags(service: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words(service))}


def scrape_jobs(services: Services) -> dict[str, list[str]]:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    return {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]]
        for job in config["scrape_configs"]
    }


# The configuration of each service, by its own checker


def test_the_exporter_accepts_the_example_tenants(services: Services, containers: Containers) -> None:
    assert "command" not in services["exporter"]
    assert "2 tenants" in run(containers["exporter"], ["bw-exporter", "check-config"])


def test_prometheus_accepts_its_configuration_and_the_rules_rendered_at_the_start(
    services: Services, containers: Containers
) -> None:
    config = flags(services["prometheus"])["--config.file"]
    said = run(containers["prometheus"], [tool("promtool"), "check", "config", config])
    assert re.search(r"billing\.rules\.yml\s+SUCCESS: [1-9]\d+ rules found", said), said


def test_alertmanager_accepts_the_routing_rendered_at_the_start(
    services: Services, containers: Containers
) -> None:
    config = flags(services["alertmanager"])["--config.file"]
    said = run(containers["alertmanager"], [tool("amtool"), "check-config", config])
    assert "SUCCESS" in said


def test_an_alert_of_the_example_reaches_the_receiver_of_its_tenant(
    services: Services, containers: Containers
) -> None:
    config = flags(services["alertmanager"])["--config.file"]
    alert = ["tenant=shop", "alertname=BillingFraudSpike", "severity=critical", "detector=fraud_spike"]
    said = run(
        containers["alertmanager"],
        [tool("amtool"), "config", "routes", "test", f"--config.file={config}", *alert],
    )
    assert said.splitlines()[0] == "slack-billing"


@pytest.mark.parametrize("program", ["prometheus", "alertmanager"])
def test_a_program_knows_every_flag_it_is_given(program: str, services: Services) -> None:
    done = subprocess.run([tool(program), "--help"], capture_output=True, text=True, check=False)
    for flag in flags(services[program]):
        assert re.search(rf"^\s*(-\w, )?{flag}\b", done.stdout + done.stderr, re.MULTILINE), flag


def test_caddy_accepts_its_configuration(services: Services, containers: Containers) -> None:
    """Debian 12 has Caddy 2.6, which says `request_buffers` in two words of its own."""
    version = subprocess.run([tool("caddy"), "version"], capture_output=True, text=True, check=True).stdout
    caddyfile = Path(containers["caddy"].local("/etc/caddy/Caddyfile"))
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < (2, 7):
        old = re.sub(
            r"\brequest_buffers (\S+)", r"buffer_requests\nmax_buffer_size \1", caddyfile.read_text()
        )
        caddyfile.write_text(old)
    run(
        containers["caddy"],
        [tool("caddy"), "adapt", "--validate", "--config", "/etc/caddy/Caddyfile"],
        {"BILLINGWATCH_DOMAIN": "billing.example.com", "XDG_CONFIG_HOME": str(containers["caddy"].root)},
    )


def test_the_simulator_accepts_its_flags(services: Services, containers: Containers) -> None:
    run(containers["simulator"], ["bw-exporter", *words(services["simulator"]), "--list"])


# What has to agree


def test_every_mounted_path_exists_and_nothing_of_the_host_is_writable(services: Services) -> None:
    for name, service in services.items():
        for mount in mounts(service):
            if mount.is_bind:
                assert (ROOT / mount.source).is_dir(), (
                    f"{name}: a file would go stale when an editor replaces it"
                )
                assert mount.read_only, mount


def test_every_volume_and_network_is_declared_and_used(compose: dict[str, Any], services: Services) -> None:
    volumes = {one.source for service in services.values() for one in mounts(service) if not one.is_bind}
    assert volumes == set(compose["volumes"])
    assert {net for service in services.values() for net in service.get("networks", [])} == set(
        compose["networks"]
    )


def test_every_dependency_is_a_service_that_can_meet_its_condition(services: Services) -> None:
    for name, service in services.items():
        needs = service.get("depends_on", {})
        for other, how in ((one, {}) for one in needs) if isinstance(needs, list) else needs.items():
            condition = how.get("condition", "service_started")
            beside = set(services[other].get("profiles", [])) <= set(service.get("profiles", []))
            assert beside or how.get("required") is False, name
            assert (services[other]["restart"] == "no") == (condition == "service_completed_successfully")


def test_one_service_builds_the_image_and_the_others_never_pull_it(services: Services) -> None:
    ours = {name: one for name, one in services.items() if one["image"].startswith("billingwatch-exporter:")}
    assert [name for name, one in ours.items() if "build" in one] == ["exporter"]
    assert all(one["pull_policy"] == "never" for name, one in ours.items() if name != "exporter")
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert {one["image"] for one in ours.values()} == {f"billingwatch-exporter:{version[1]}"}


def test_volumes_that_our_image_writes_are_mounted_where_it_owns_the_folder(services: Services) -> None:
    for name, service in services.items():
        if service["image"].startswith("billingwatch-exporter:"):
            assert {m.target for m in mounts(service) if not m.is_bind} <= {"/data"}, name


def test_prometheus_scrapes_what_listens_under_the_job_that_the_rules_ask_for(services: Services) -> None:
    jobs = scrape_jobs(services)
    port = options.address(image_environment()["BW_WEB_METRICS_ADDRESS"])[1]
    assert jobs[build.Settings().job] == [f"exporter:{port}"]
    for targets in jobs.values():
        for target in targets:
            host, _, port_text = target.replace("localhost", "prometheus").partition(":")
            assert port_text in {inside for _, inside in published(services[host])}
            assert "monitoring" in services[host]["networks"]


def test_prometheus_alerts_the_alertmanager_beside_it() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    [manager] = config["alerting"]["alertmanagers"]
    assert manager["static_configs"] == [{"targets": scrape_jobs({})["alertmanager"]}]


def test_prometheus_remembers_four_weeks_and_the_four_by_which_the_rules_judge_those(
    services: Services,
) -> None:
    kept = durations.parse(flags(services["prometheus"])["--storage.tsdb.retention.time"])
    assert kept >= LOOK_BACK_SECONDS


def test_grafana_asks_prometheus_and_knows_how_often_it_scrapes(services: Services) -> None:
    [source] = yaml.safe_load((ROOT / "deploy/grafana/datasources/prometheus.yml").read_text())["datasources"]
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    url = urlsplit(source["url"])
    assert (url.hostname, str(url.port)) == ("prometheus", published(services["prometheus"])[0][1])
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    assert source["isDefault"]


def test_grafana_finds_the_dashboards_and_begins_with_the_overview(
    services: Services, containers: Containers
) -> None:
    grafana = services["grafana"]
    [provider] = yaml.safe_load((ROOT / "deploy/grafana/dashboards/billingwatch.yml").read_text())[
        "providers"
    ]
    folder = provider["options"]["path"]
    assert folder in {one.target for one in mounts(grafana)}
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == folder
    assert Path(containers["grafana"].local(str(home))).is_file()
    assert "/etc/grafana/provisioning" in {one.target for one in mounts(grafana)}


def test_links_in_alerts_lead_to_grafana(services: Services, containers: Containers) -> None:
    rules = Path(containers["prometheus"].local("/etc/prometheus/rendered/billing.rules.yml")).read_text()
    assert f"{services['grafana']['environment']['GF_SERVER_ROOT_URL']}/d/billingwatch-" in rules


def test_the_routing_is_rendered_for_the_alertmanager_that_runs(services: Services) -> None:
    given = re.search(r"--alertmanager-version (\S+)", services["rules"]["command"][0])
    assert given
    assert services["alertmanager"]["image"].startswith(f"prom/alertmanager:v{given[1]}.")


def test_caddy_and_the_simulator_reach_the_webhooks_and_not_the_monitoring(services: Services) -> None:
    port = options.address(image_environment()["BW_WEB_WEBHOOK_ADDRESS"])[1]
    caddyfile = (ROOT / "deploy/caddy/Caddyfile").read_text()
    assert f"reverse_proxy exporter:{port} " in caddyfile
    assert f"http://exporter:{port}" in services["simulator"]["command"]
    for name in ("caddy", "simulator"):
        assert set(services[name]["networks"]) == {"webhooks"} < set(services["exporter"]["networks"])


def test_caddy_listens_where_443_leads_to(services: Services) -> None:
    caddyfile = (ROOT / "deploy/caddy/Caddyfile").read_text()
    [(_, inside)] = published(services["caddy"])
    assert f"https_port {inside}\n" in caddyfile


def test_the_exporter_and_nobody_else_reaches_postgres_which_reaches_nothing(
    compose: dict[str, Any], services: Services
) -> None:
    on_it = {name for name, service in services.items() if "database" in service.get("networks", [])}
    assert on_it == {"exporter", "postgres"}
    assert services["postgres"]["networks"] == ["database"]
    assert compose["networks"]["database"] == {"internal": True}
    assert not published(services["postgres"])


def test_one_variable_says_which_store_the_exporter_uses(services: Services) -> None:
    assert services["exporter"]["environment"]["BW_STORAGE_URL"] == image_environment()["BW_STORAGE_URL"]
    page = (ROOT / "docs/compose.md").read_text()
    [url] = re.findall(r"BILLINGWATCH_STORAGE_URL=([^\s'\"`]+)", page)
    exporter = load({"BILLINGWATCH_STORAGE_URL": url})["services"]["exporter"]
    assert exporter["environment"]["BW_STORAGE_URL"] == url == "postgresql:///?service=billingwatch"


def test_what_the_exporter_says_to_postgres_is_what_postgres_is_set_up_with(
    services: Services, containers: Containers
) -> None:
    file = configparser.ConfigParser()
    file.read(containers["exporter"].local(services["exporter"]["environment"]["PGSERVICEFILE"]))
    given = services["postgres"]["environment"]
    password = Path(containers["postgres"].local(given["POSTGRES_PASSWORD_FILE"])).read_text()
    assert dict(file["billingwatch"]) == {
        "host": "postgres",
        "port": "5432",
        "dbname": given["POSTGRES_DB"],
        "user": given["POSTGRES_USER"],
        "password": password.strip(),
    }
    check = services["postgres"]["healthcheck"]["test"]
    assert check[-4:] == ["-U", given["POSTGRES_USER"], "-d", given["POSTGRES_DB"]]


def test_the_commands_of_the_page_give_both_the_same_new_password(tmp_path: Path) -> None:
    page = (ROOT / "docs/compose.md").read_text()
    commands = re.search(r"(?m)^password=\$\(openssl rand.*\n(?:.*\n){2}", page)
    assert commands
    folder = tmp_path / "billingwatch"
    shutil.copytree(ROOT / "deploy/example", folder)
    script = commands[0].replace("sudo ", "").replace("/etc/billingwatch", str(folder))
    subprocess.run(["bash", "-euc", script], check=True)
    password = (folder / "secrets/postgres/password").read_text()
    assert re.fullmatch("[0-9a-f]{48}", password)
    assert f"password={password}\n" in (folder / "secrets/postgres/pg_service.conf").read_text()


# What keeps it safe


def test_images_are_pinned(services: Services) -> None:
    for service in services.values():
        numbers = 2 if service["image"].startswith("postgres:") else 3  # PostgreSQL's versions have no third
        pinned = rf"[a-z/-]+:v?\d+(\.\d+){{{numbers - 1}}}(-alpine)?"
        assert re.fullmatch(pinned, service["image"]), service["image"]


def test_only_the_webhook_ports_are_published_on_all_interfaces(services: Services) -> None:
    open_to_all = {
        (name, inside)
        for name, service in services.items()
        for address, inside in published(service)
        if address != "127.0.0.1"
    }
    assert open_to_all == WEBHOOK_PORTS


def test_behind_the_proxy_the_plain_port_can_be_kept_to_the_host() -> None:
    services = load({"BILLINGWATCH_WEBHOOK_PORT": "127.0.0.1:8000"})["services"]
    assert ("127.0.0.1", "8000") in published(services["exporter"])


def test_every_service_is_an_unprivileged_user_on_a_read_only_root(services: Services) -> None:
    for name, service in services.items():
        user, _, _ = service["user"].partition(":")
        assert int(user) > 0, name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_service_that_stays_restarts_and_tells_its_health_on_a_port_of_its_own(
    services: Services,
) -> None:
    for name, service in long_running(services).items():
        assert service["restart"] == "unless-stopped"
        check = service["healthcheck"]["test"]
        assert check[0] == "CMD"
        if check[1] == "wget":
            port = str(urlsplit(check[-1]).port)
            ports = {inside for _, inside in published(service)}
            assert port in ports or f":{port} {{" in (ROOT / "deploy/caddy/Caddyfile").read_text(), name
        elif name == "postgres":
            assert check[1] == "pg_isready"
        else:
            assert check[1:] == ["python", "-m", "bw_exporter.healthcheck"]


def test_secrets_are_files_that_only_those_who_need_them_see(services: Services) -> None:
    seen = {
        name: Path(one.source).name
        for name, service in services.items()
        for one in mounts(service)
        if one.target == "/run/secrets"
    }
    assert seen == {
        "exporter": "exporter",
        "simulator": "exporter",
        "alertmanager": "alertmanager",
        "grafana": "grafana",
        "postgres": "postgres",
    }
    text = (ROOT / "docker-compose.yml").read_text() + (
        ROOT / "deploy/example/config/tenants.yaml"
    ).read_text()
    assert "whsec_" not in re.sub(r"\w+_whsec\b", "", text)


def test_what_is_a_users_own_lies_in_one_folder_that_a_variable_names(tmp_path: Path) -> None:
    services = load({"BILLINGWATCH_HOME": str(tmp_path)})["services"]
    own = {m.source for s in services.values() for m in mounts(s) if m.is_bind and m.source.startswith("/")}
    assert own == {
        f"{tmp_path}/{part}"
        for part in (
            "config",
            "secrets/exporter",
            "secrets/alertmanager",
            "secrets/grafana",
            "secrets/postgres",
        )
    }
    assert "deploy/example" not in str(services)


def test_nobody_sees_grafana_without_a_password_unless_asked_for(services: Services) -> None:
    assert services["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    opened = load({"GRAFANA_ANONYMOUS": "true"})["services"]["grafana"]["environment"]
    assert opened["GF_AUTH_ANONYMOUS_ENABLED"] == "true"
    assert opened["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


# What the page about it says


def test_the_page_names_every_service_every_published_port_and_every_setting(services: Services) -> None:
    page = (ROOT / "docs/compose.md").read_text()
    for name, service in services.items():
        assert re.search(rf"\b{name}\b", page), name
        for port in service.get("ports", []):
            address, _, outside = port.rpartition(":")[0].rpartition(":")
            row = rf"\| {name}\b.*{re.escape(address) + ':' if address else 'every interface.*'}{outside} \|"
            assert re.search(row, page), row
    settings = re.findall(r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    for variable, default in settings:
        assert re.search(rf"`{variable}`.*{re.escape(default.removeprefix('http://127.0.0.1'))}`", page), (
            variable
        )


def test_the_commands_of_the_page_are_for_services_and_profiles_there_are(services: Services) -> None:
    page = (ROOT / "docs/compose.md").read_text()
    named = re.findall(r"docker compose (?:exec|run --rm|logs) ([a-z]+)", page)
    assert len(named) >= 3
    assert set(named) <= set(services)
    profiles = {one for service in services.values() for one in service.get("profiles", [])}
    assert set(re.findall(r"--profile (\w+)", page)) == profiles
