"""The manifests of kubernetes/ are valid, give as few rights as possible, and agree with docker-compose.yml."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.house.tree import ROOT
from tests.kit.redis_users import service

FOLDER = ROOT / "kubernetes"
_FOREIGN_KINDS = {"Kustomization", "ScaledObject"}
_GRACE_S = 5
"""How long a worker waits for pushes in flight, in seconds: ``grace_s`` of the settings."""
_NAMES = {"command": "dispatch"}
"""Deployments whose name differs from the name of their service."""


def _objects() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for item in yaml.safe_load_all(path.read_text("utf-8")):
            yield path.name, item


OBJECTS = list(_objects())
DEPLOYMENTS = {item["metadata"]["name"]: item for _, item in OBJECTS if item["kind"] == "Deployment"}
PODS = {
    item["metadata"]["name"]: item["spec"]["template"]["spec"]
    for _, item in OBJECTS
    if item["kind"] in {"Deployment", "StatefulSet"}
}


def _of_kind(kind: str) -> list[dict[str, Any]]:
    return [item for _, item in OBJECTS if item["kind"] == kind]


def _container(name: str) -> dict[str, Any]:
    (container,) = PODS[name]["containers"]
    return dict(container)


def _environment(name: str) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in _container(name)["env"]}


def _mounted_secrets(name: str) -> set[str]:
    (volume,) = [volume["secret"] for volume in PODS[name]["volumes"] if volume["name"] == "secrets"]
    return {item["key"] for item in volume["items"]}


@pytest.mark.parametrize(
    "item",
    [item for _, item in OBJECTS if item["kind"] not in _FOREIGN_KINDS],
    ids=[f"{file}-{item['kind']}" for file, item in OBJECTS if item["kind"] not in _FOREIGN_KINDS],
)
@pytest.mark.parametrize("version", ["1.29", "1.37"])
@pytest.mark.slow  # importing the validator takes two seconds, and reading the schema of each object two more
def test_each_object_is_valid_for_the_oldest_and_the_newest_kubernetes(item: dict[str, Any], version: str) -> None:
    import kubernetes_validate  # noqa: PLC0415  # takes two seconds, which no run of other tests should spend

    kubernetes_validate.validate(item, version, strict=True)


def test_every_file_is_applied_except_the_other_way_to_scale() -> None:
    (kustomization,) = _of_kind("Kustomization")
    files = {path.name for path in FOLDER.glob("*.yaml")}
    assert {*kustomization["resources"]} == files - {"kustomization.yaml", "keda.yaml"}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_has_no_right_that_it_does_not_need(name: str) -> None:
    pod, container = PODS[name], _container(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "times-dispatch"
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"memory"} <= set(container["resources"]["limits"])
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_process_has_the_command_the_secrets_and_the_variables_of_its_service(name: str) -> None:
    compose = service(_NAMES.get(name, name))
    assert _mounted_secrets(name) == set(compose["secrets"])
    ours = _environment(name)
    ours.pop("DISPATCH_HEARTBEAT_PATH", None)
    theirs = {
        variable: ours.get(variable, "") if value.startswith("${") else value
        for variable, value in compose["environment"].items()
    }
    assert {variable: value for variable, value in theirs.items() if value} == ours
    if name not in _NAMES:
        command = " ".join(_container(name)["command"])
        assert re.sub(r"--schedule\S*", "", command).split() == re.sub(r"--schedule\S*", "", compose["command"]).split()


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_no_probe_asks_redis_and_a_pod_has_more_time_to_stop_than_its_pushes(name: str) -> None:
    container = _container(name)
    liveness = container["livenessProbe"]
    probes = [liveness, *([container["readinessProbe"]] if "readinessProbe" in container else [])]
    for probe in probes:
        if "httpGet" in probe:
            assert probe["httpGet"]["path"] in {"/health", "/healthcheck"}
        elif name != "command":
            assert _environment(name)["DISPATCH_HEARTBEAT_PATH"] in probe["exec"]["command"][-1]
    if name != "command":
        assert PODS[name]["terminationGracePeriodSeconds"] >= 2 * _GRACE_S
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 60


@pytest.mark.parametrize("name", sorted({*DEPLOYMENTS} - {"command"}))
def test_a_rolling_restart_waits_until_the_new_pod_works(name: str) -> None:
    container = _container(name)
    assert DEPLOYMENTS[name]["spec"]["strategy"] == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    ways = {"exec", "httpGet"}
    probe = {way: value for way, value in container["readinessProbe"].items() if way in ways}
    assert probe == {way: value for way, value in container["livenessProbe"].items() if way in ways}


def test_a_process_reaches_only_the_ports_outside_that_it_needs() -> None:
    reached: dict[str, set[int]] = {}
    for policy in _of_kind("NetworkPolicy"):
        (names,) = policy["spec"]["podSelector"].get("matchExpressions", [{"values": []}])
        for rule in policy["spec"].get("egress", []):
            if any("ipBlock" in target for target in rule["to"]):
                for name in names["values"]:
                    reached.setdefault(name, set()).update(port["port"] for port in rule["ports"])
    https, mail = 443, {465, 587}
    assert reached == {"worker": {https}, "reconciler": {https}, "alerts": {https, *mail}, "command": {https, *mail}}


def test_every_pod_is_closed_and_redis_is_opened_for_the_processes_only() -> None:
    policies = {policy["metadata"]["name"]: policy["spec"] for policy in _of_kind("NetworkPolicy")}
    assert policies["deny-all"] == {
        "podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "times-dispatch"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    for _, item in OBJECTS:
        if item["kind"] in {"Deployment", "StatefulSet"}:
            labels = item["spec"]["template"]["metadata"]["labels"]
            assert labels["app.kubernetes.io/part-of"] == "times-dispatch"
    (rule,) = policies["redis-from-processes"]["ingress"]
    (source,) = rule["from"]
    assert set(source["podSelector"]["matchExpressions"][0]["values"]) == set(DEPLOYMENTS)
    (to_redis,) = policies["processes-to-redis"]["podSelector"]["matchExpressions"]
    assert set(to_redis["values"]) == set(DEPLOYMENTS)


def test_a_process_that_runs_several_times_survives_a_drain_and_one_autoscaler_is_used_by_default() -> None:
    guarded = {
        item["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for item in _of_kind("PodDisruptionBudget")
    }
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"]["minReplicas"]
        for item in _of_kind("HorizontalPodAutoscaler")
    }
    several = {name for name, item in DEPLOYMENTS.items() if item["spec"].get("replicas", scaled.get(name, 1)) > 1}
    assert several | {"redis"} == guarded
    assert not any("replicas" in DEPLOYMENTS[name]["spec"] for name in scaled)


def test_the_other_way_to_scale_asks_for_metrics_that_exist() -> None:
    shown = "".join(path.read_text("utf-8") for path in (ROOT / "times_dispatch/metrics").glob("*.py"))
    queries = [item["spec"]["triggers"][0]["metadata"]["query"] for item in _of_kind("ScaledObject")]
    names = {name for query in queries for name in re.findall(r"dispatch_\w+", query)}
    assert names
    assert [name for name in names if name.removeprefix("dispatch_") not in shown] == []


def test_the_shell_of_redis_is_that_of_compose() -> None:
    compose = (
        service("redis")["command"][-1]
        .replace("$$", "$")
        .replace('"$APPENDFSYNC"', "everysec")
        .replace('"$MAXMEMORY"', "2gb")
    )
    assert (
        _container("redis")["command"][-1].replace("/etc/redis/redis-users.acl", "/etc/redis-users.acl")
        == compose.strip("\n") + "\n"
    )
