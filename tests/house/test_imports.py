"""The import rules of pyproject.toml name every module, because a rule has no effect on a module that it omits."""

import tomllib
from collections.abc import Collection

import pytest

from tests.house import tree

_RULES = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
_CONTRACTS = {rule["name"]: rule for rule in _RULES}
_LAYERS = "processes, demo, broker, settings, and five packages that know nothing of each other"


def _below(package: str) -> set[str]:
    """Return the modules and packages that are directly in a package."""
    files = (tree.ROOT / package).iterdir()
    names = {path.stem for path in files if path.suffix == ".py" or (path / "__init__.py").is_file()}
    return {f"{package}.{name}" for name in names - {"__init__"}}


def _unnamed(contract: str, modules: Collection[str]) -> list[str]:
    """Return the modules that a rule names neither directly nor by their package."""
    rule = _CONTRACTS[contract]
    named = set(rule.get("source_modules") or " | ".join(rule["layers"]).split(" | "))
    return sorted(module for module in modules if not {module, module.partition(".")[0]} & named)


@pytest.mark.parametrize(
    ("contract", "modules"),
    [
        (_LAYERS, _below("times_dispatch") | set(tree.PRODUCT) - {"times_dispatch"}),
        ("only the command line knows the other processes", _below("producers") - {"producers.cli"} | {"console"}),
        (
            "nothing imports the command line",
            _below("producers") - {"producers.cli"} | set(tree.PRODUCT) - {"producers"},
        ),
        (
            "Celery is known in the broker and in the workers only",
            _below("times_dispatch") - {"times_dispatch.broker"} | {"producers", "callbacks", "console"},
        ),
    ],
)
def test_an_import_rule_names_every_module_that_it_is_about(contract: str, modules: set[str]) -> None:
    assert _unnamed(contract, modules) == []
