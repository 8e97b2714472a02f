"""The files of monitoring/ in a real Prometheus that scrapes the real process, and the dashboard by its schema."""

import asyncio
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from redis.asyncio import Redis

from tests.kit.callbacks import ID_KEY, Processes, send_campaign
from tests.kit.waiting import wait_until
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.provider.correlation_ids import CorrelationIds

MONITORING = Path(__file__).parents[3] / "monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text("utf-8"))
SCHEMA = Path(__file__).parent / "grafana_dashboard.schema.json"
TOKEN = "a-token-of-the-metrics"


def dashboard_expressions() -> list[str]:
    """Return every expression of the dashboard's panels."""
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def program(name: str) -> str:
    """Return the path of a program of Prometheus, or skip the test."""
    path = shutil.which(name)
    if not path:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return path


class RunningPrometheus(NamedTuple):
    """A Prometheus that scrapes the metrics process."""

    url: str
    process: subprocess.Popen[bytes]

    def get(self, path: str, **parameters: str) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=60, trust_env=False).json()
        assert answer["status"] == "success", answer
        return answer["data"]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrometheus]:
    """Start Redis, the metrics process and Prometheus with the files of monitoring/; end all of them."""
    executable, folder = program("prometheus"), tmp_path_factory.mktemp("prometheus")
    processes = Processes(folder)
    with EmbeddedServer() as server:
        asyncio.run(_write_campaign(server.url))
        _, exporter = processes.receiver(server.url, ("-m", "times_dispatch.metrics"), DISPATCH_METRICS_TOKEN=TOKEN)
        (folder / "token").write_text(TOKEN)
        config = yaml.safe_load((MONITORING / "prometheus.yml").read_text("utf-8"))
        config["global"]["scrape_interval"] = config["global"]["evaluation_interval"] = "1s"
        config["rule_files"] = [str(MONITORING / name) for name in config["rule_files"]]
        (scrape,) = config["scrape_configs"]
        assert scrape["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
        scrape["authorization"]["credentials_file"] = str(folder / "token")
        scrape["static_configs"] = [{"targets": [exporter.removeprefix("http://")]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        with (folder / "prometheus.out").open("wb") as out:
            process = subprocess.Popen(
                [
                    executable,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=out,
                stderr=out,
            )
        running = RunningPrometheus(f"http://127.0.0.1:{port}", process)
        try:
            log = folder / "prometheus.out"
            wait_until(lambda: _is_scraping(running), lambda: f"a scrape:\n{log.read_text()[-3_000:]}")
            yield running
        finally:
            process.terminate()
            process.wait(20)
            processes.end()


def _is_scraping(running: RunningPrometheus) -> bool:
    assert running.process.poll() is None
    try:
        (target,) = running.get("targets")["activeTargets"]
    except (httpx.TransportError, ValueError, AssertionError):
        return False
    return bool(target["health"] == "up")


@pytest.mark.processes
def test_a_real_prometheus_scrapes_the_process_and_evaluates_every_rule(prometheus: RunningPrometheus) -> None:
    def evaluated() -> bool:
        (group,) = prometheus.get("rules")["groups"]
        states = {rule["name"]: rule["state"] for rule in group["rules"]}
        # No worker runs, so the alert is pending in its first minute.
        return all(rule["health"] == "ok" for rule in group["rules"]) and states["DispatchNoWorker"] != "inactive"

    wait_until(evaluated, "the evaluation of each rule")
    (group,) = prometheus.get("rules")["groups"]
    assert {rule["name"] for rule in group["rules"]} == {rule["alert"] for rule in RULES}
    states = {rule["name"]: rule["state"] for rule in group["rules"]}
    assert states["DispatchLedgerUnreadable"] == "inactive"


@pytest.mark.processes
@pytest.mark.parametrize("expression", dashboard_expressions())
def test_every_expression_of_the_dashboard_is_one_that_prometheus_evaluates(
    prometheus: RunningPrometheus, expression: str
) -> None:
    assert prometheus.get("query", query=expression)["resultType"] in {"vector", "matrix", "scalar"}


@pytest.mark.processes
def test_every_metric_that_the_dashboard_and_the_rules_name_is_one_of_the_process(
    prometheus: RunningPrometheus,
) -> None:
    named = {
        name
        for expression in [*dashboard_expressions(), *(rule["expr"] for rule in RULES)]
        for name in re.findall(r"\bdispatch_[a-z_]+", expression)
    }
    metadata = prometheus.get("targets/metadata", match_target='{job="dispatch"}')
    described = {item["metric"] for item in metadata}
    assert named - described == set()


@pytest.mark.processes
def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = program("promtool")
    records = [{"record": f"panel:{n}", "expr": text} for n, text in enumerate(dashboard_expressions())]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))
    done = subprocess.run(
        [promtool, "check", "rules", str(tmp_path / "rules.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_has_a_case_in_which_it_fires() -> None:
    cases = (Path(__file__).parent / "alert_rules_cases.yml").read_text("utf-8")
    fire = r'alertname: {0}\n *exp_alerts|alertname="{0}"'
    assert [rule["alert"] for rule in RULES if not re.search(fire.format(rule["alert"]), cases)] == []


@pytest.mark.processes
def test_the_rules_fire_and_stay_quiet_as_their_cases_say() -> None:
    promtool = program("promtool")
    done = subprocess.run(
        [promtool, "test", "rules", str(Path(__file__).parent / "alert_rules_cases.yml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def validator() -> Any:
    """Return a validator for dashboards; the import of its library takes two seconds, so only these tests import it."""
    jsonschema = importlib.import_module("jsonschema")
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


@pytest.mark.slow  # to import the validator takes two seconds
def test_the_dashboard_follows_the_schema_of_grafanas_dashboards(validator: Any) -> None:
    errors = [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(DASHBOARD)]
    assert errors == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"schemaVersion": "39"}, "is not of type 'integer'"),
        ({"panels": [{"type": "timeseries"}]}, "is a required property"),
        ({"refresh": "soon"}, "does not match"),
        ({"tiles": []}, "Additional properties are not allowed"),
    ],
)
@pytest.mark.slow  # to import the validator takes two seconds
def test_the_schema_finds_mistakes(validator: Any, change: dict[str, Any], error: str) -> None:
    assert any(error in found.message for found in validator.iter_errors({**DASHBOARD, **change}))


def test_the_panels_of_the_dashboard_have_their_own_ids_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    overlapping = [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    ]
    assert overlapping == []


async def _write_campaign(url: str) -> None:
    async with Redis.from_url(url) as redis:
        await send_campaign(redis, CorrelationIds(ID_KEY.encode()))
