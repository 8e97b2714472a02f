"""The locks name every package by version and hash, and agree with constraints.txt and pyproject.toml."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from tests.house import tree

LOCKS = sorted((tree.ROOT / "lock").glob("*.txt"))
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(path: Path) -> dict[str, str]:
    return {_normal(name): version for name, version in _PIN.findall(path.read_text("utf-8"))}


def _declared(*extras: str) -> set[str]:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    return {_normal(re.split(r"[\[<>=!~ ;]", line)[0]) for line in lines}


CONSTRAINTS = _pins(tree.ROOT / "constraints.txt")


@pytest.mark.parametrize("lock", LOCKS, ids=[lock.name for lock in LOCKS])
def test_a_lock_has_a_hash_for_each_package_no_address_and_the_versions_of_the_constraints(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert "://" not in text
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert _pins(lock).items() <= CONSTRAINTS.items(), "run make lock"


@pytest.mark.parametrize(("lock", "extras"), [("run.txt", ["files"]), ("dev.txt", ["files", "dev"])])
def test_a_lock_has_every_package_that_is_declared(lock: str, extras: list[str]) -> None:
    assert _declared(*extras) - _pins(tree.ROOT / "lock" / lock).keys() == set(), "run make lock"


def test_the_client_of_redis_is_no_older_than_the_one_that_is_tested() -> None:
    """The connection to the ledger overrides methods of redis-py, and uses options that older versions do not have."""
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (line,) = (line for line in project["dependencies"] if line.startswith("redis["))
    major, minor, *_ = CONSTRAINTS["redis"].split(".")
    assert line == f"redis[hiredis]>={major}.{minor}"


def test_no_version_is_constrained_that_nothing_needs() -> None:
    assert CONSTRAINTS.keys() == _pins(tree.ROOT / "lock/dev.txt").keys()


def test_the_installed_packages_have_the_versions_of_the_constraints() -> None:
    installed = {_normal(package.name): package.version for package in metadata.distributions()}
    assert {name: version for name, version in CONSTRAINTS.items() if installed.get(name, version) != version} == {}
