"""Folders have few modules, and the folders of tests mirror the folders of code."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from tests.house import tree

_EXCEPTIONS = tree.table("exceptions.toml")
_MAX_MODULES = 14
_TOO_FEW_WORDS = 3
_MAX_UNDESCRIBED = 4


def _listed(files: Iterable[str], table: str) -> str:
    """Return the differences between the tree and the exceptions in ``exceptions.toml``."""
    present, allowed = set(files), set(_EXCEPTIONS[table])
    lines = [f"not allowed: {file}" for file in sorted(present - allowed)]
    return "\n".join([*lines, *(f"no longer needed in exceptions.toml: {file}" for file in sorted(allowed - present))])


def _folders() -> dict[str, list[Path]]:
    folders: dict[str, list[Path]] = {}
    for path in [*tree.modules(), *tree.scripts()]:
        if path.name != "__init__.py":
            folders.setdefault(tree.name(path.parent), []).append(path)
    return folders


def test_no_folder_has_more_than_fourteen_modules() -> None:
    large = {folder for folder, files in _folders().items() if len(files) > _MAX_MODULES}
    assert large == set(_EXCEPTIONS["folders"]), _listed(large, "folders")


def _mirrored() -> list[Path]:
    return [path for path in tree.modules(("tests",)) if path.parts[len(tree.ROOT.parts) + 1] in tree.PRODUCT]


def test_every_folder_of_tests_mirrors_a_folder_of_the_code() -> None:
    folders = {path.parent for path in _mirrored()}
    assert [
        tree.name(folder) for folder in folders if not (tree.ROOT / folder.relative_to(tree.ROOT / "tests")).is_dir()
    ] == []


def test_every_test_file_is_named_after_a_module_of_its_folder() -> None:
    unnamed = set()
    for path in _mirrored():
        if not path.name.startswith("test_"):
            continue
        folder = tree.ROOT / path.parent.relative_to(tree.ROOT / "tests")
        subjects = [
            *(module.stem for module in folder.glob("*.py")),
            *(sub.name for sub in folder.iterdir()),
            folder.name,
        ]
        stem = path.stem.removeprefix("test_")
        if not any(stem == subject or stem.startswith(f"{subject}_") for subject in subjects):
            unnamed.add(tree.name(path))
    assert unnamed == set(_EXCEPTIONS["test_files"]), _listed(unnamed, "test_files")


def _has_test_file(module: Path) -> bool:
    folder = tree.ROOT / "tests" / module.parent.relative_to(tree.ROOT)
    return any(
        name == module.stem or name.startswith(f"{module.stem}_")
        for name in (path.stem.removeprefix("test_") for path in folder.glob("test_*.py"))
    )


def test_every_module_has_a_test_file_of_its_name_or_is_tested_in_a_file_that_is_listed() -> None:
    modules = [path for path in tree.modules() if path.name != "__init__.py"]
    without = {tree.name(path) for path in modules if not _has_test_file(path)}
    listed = _EXCEPTIONS["tested_elsewhere"]
    assert without == set(listed), _listed(without, "tested_elsewhere")
    assert [file for file in listed.values() if not (tree.ROOT / file).is_file()] == []


def _catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


@cache
def _catch_alls(path: Path) -> int:
    return sum(isinstance(node, ast.ExceptHandler) and _catches_all(node) for node in tree.nodes(path))


def test_everything_is_caught_only_where_a_process_must_survive() -> None:
    files = {tree.name(path) for path in tree.modules() if _catch_alls(path)}
    assert files == set(_EXCEPTIONS["catch_all"]), _listed(files, "catch_all")


@cache
def _files() -> dict[str, Path]:
    """Return the files of the product by the names of their modules."""
    files = {".".join(path.relative_to(tree.ROOT).with_suffix("").parts): path for path in tree.modules()}
    return files | {name.removesuffix(".__init__"): path for name, path in files.items() if name.endswith(".__init__")}


@cache
def _imports(path: Path) -> list[str]:
    """Return the names of the modules that a file imports, either immediately or when they are needed."""
    names = list[str]()
    for node in tree.nodes(path):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A module that is loaded when it is needed: "producers.cli.check:check"
            names += [name for name in [node.value.partition(":")[0]] if name in _files()]
    return names


def _loaded_by(module: str) -> set[Path]:
    """Return the files of the product that a process loads if it starts with this module."""
    files = _files()
    loaded, waiting = set[Path](), [module]
    while waiting:
        name = waiting.pop()
        path = files.get(name)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
        if path is None or path in loaded:
            continue
        loaded.add(path)
        waiting += _imports(path)
    return loaded


@pytest.mark.parametrize("module", _EXCEPTIONS["processes"])
def test_a_process_catches_everything_at_one_place_at_most(module: str) -> None:
    places = {tree.name(path): number for path in _loaded_by(module) if (number := _catch_alls(path))}
    assert sum(places.values()) <= 1, places


def test_no_name_of_a_test_begins_with_a_pronoun() -> None:
    """A name that begins with *what* or *it* does not name its subject, such as a batch, a message or a worker."""
    names = {
        f"{tree.name(path)}: {name}"
        for path in tree.modules(("tests",))
        for name in re.findall(r"\bdef (test_(?:it|that|they|this|what)_\w+)", path.read_text("utf-8"))
    }
    assert not names, "\n".join(sorted(names))


def test_no_docstring_has_three_words_or_fewer() -> None:
    short = {
        f"{tree.name(path)}: {getattr(node, 'name', 'module')}"
        for path in tree.modules(tree.CODE)
        for node in tree.nodes(path)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if (docstring := ast.get_docstring(node)) and len(docstring.split()) <= _TOO_FEW_WORDS
    }
    assert short == set(_EXCEPTIONS["short_docstrings"]), _listed(short, "short_docstrings")


def _undescribed(node: ast.AST, class_docstring: str) -> list[str]:
    """Return the parameters that a docstring does not describe, for a function with more than four parameters."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return []
    if any("command" in ast.unparse(decorator) for decorator in node.decorator_list):
        return []  # the help text of each option describes the parameter
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    names = [argument.arg for argument in arguments if argument.arg not in {"self", "cls"}]
    docstring = f"{ast.get_docstring(node)}\n{class_docstring if node.name == '__init__' else ''}"
    if len(names) <= _MAX_UNDESCRIBED or re.search(r"arguments are\s+those\s+of\s+``", docstring):
        return []
    return [name for name in names if not re.search(rf"^ *{name}: .", docstring, re.MULTILINE)]


def test_the_docstring_of_a_function_with_more_than_four_parameters_describes_each() -> None:
    undescribed = [
        f"{tree.name(path)}:{getattr(node, 'lineno', 0)}: {name}"
        for path in tree.modules((*tree.PRODUCT, "benchmarks"))
        for parent in tree.nodes(path)
        for node in ast.iter_child_nodes(parent)
        for name in _undescribed(node, (ast.get_docstring(parent) or "") if isinstance(parent, ast.ClassDef) else "")
    ]
    assert undescribed == []


def test_code_that_reads_json_of_strangers_catches_all_that_its_reading_raises() -> None:
    """Reading JSON raises three unrelated errors; an error that is not caught ends in a traceback or a lost report."""
    foreign = ("callbacks", "times_dispatch/provider", "times_dispatch/archive")
    alone = [
        f"{tree.name(path)}:{node.lineno}"
        for path in tree.modules(foreign)
        for node in tree.nodes(path)
        if isinstance(node, ast.ExceptHandler) and node.type and "DecodeError" in ast.unparse(node.type)
        if "UnicodeDecodeError" not in ast.unparse(node.type)
    ]
    assert [line for line in alone if not line.startswith(_READS_OWN)] == []


_READS_OWN = (
    "callbacks/entry_applier.py",
    "callbacks/streams.py",
    "times_dispatch/provider/description/json_template.py",
    "times_dispatch/provider/oauth/stored_token.py",
)
"""Modules that decode no JSON of strangers, but lists of bytes (MessagePack), the settings, and encrypted data."""


def test_a_process_whose_automatic_garbage_collections_are_rare_collects_at_intervals() -> None:
    """Only ``collect_garbage`` may set the threshold, except in commands, which end soon, and in the sandbox."""
    setting = [
        tree.name(path)
        for path in tree.modules()
        for node in tree.nodes(path)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"gc.set_threshold", "gc.disable"}
    ]
    own = ("producers/cli/", "times_dispatch/sandbox/", "times_dispatch/process.py")
    assert [name for name in setting if not name.startswith(own)] == []


def test_each_server_of_reports_and_links_collects_garbage() -> None:
    texts = {tree.name(path): path.read_text("utf-8") for path in tree.modules()}
    starting = [
        name for name, text in texts.items() if name.startswith("callbacks/") and "server = make_server(" in text
    ]
    assert len(starting) == 2
    assert [name for name in starting if "server.collect_garbage" not in texts[name]] == []
