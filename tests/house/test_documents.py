"""Documents refer only to files, tests and sections that exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from producers.cli import main
from tests.house import tree

_LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")
_CODE_SPAN = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(
    r"(?:producers|workers|callbacks|times_dispatch|tests|benchmarks|docs)/[\w./-]*\w|[\w/]+\.(?:lua|md|py)"
)
_QUOTED_TEST = re.compile(r"`(tests/[\w/]+\.py)`:\s+(?:… )?([^|;)`]+)")
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)
_NAME_IN_FILE = re.compile(r"`(\w+)` (?:in|of) `([\w/]+\.py)`")
_MADE_UP = re.compile(r"NAME|PATH|FILE")


def _without_blocks(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)", path.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def _files() -> str:
    """Return the paths of all files and folders, one per line, each between slashes."""
    paths = [path for folder in (*tree.CODE, "docs") for path in (tree.ROOT / folder).rglob("*")]
    return "".join(f"/{tree.name(path)}/\n" for path in (*paths, *tree.ROOT.glob("*.*")))


@cache
def _tests() -> set[str]:
    return {name for path in tree.modules(("tests",)) for name in _TEST.findall(path.read_text("utf-8"))}


def test_every_link_leads_to_a_file_and_to_a_section_of_it() -> None:
    broken = []
    for path in tree.DOCUMENTS:
        for file, anchor in _LINK.findall(_without_blocks(path)):
            target = (path.parent / file).resolve() if file else path
            if not target.exists() or (anchor and anchor not in _anchors(target)):
                broken.append(f"{tree.name(path)}: {file}#{anchor}")
    assert not broken, "\n".join(broken)


def test_every_path_and_test_that_a_document_names_exists() -> None:
    missing = []
    for path in tree.DOCUMENTS:
        for span in _CODE_SPAN.findall(_without_blocks(path)):
            if re.fullmatch(r"test_\w+", span) and span not in _tests():
                missing.append(f"{tree.name(path)}: {span}")
            files = [file for file in _PATH.findall(span) if not _MADE_UP.search(file)]
            missing.extend(f"{tree.name(path)}: {file}" for file in files if f"/{file}/" not in _files())
    assert not missing, "\n".join(missing)


def test_every_name_that_a_document_places_in_a_file_is_in_the_file() -> None:
    placed = [
        (path, name, file)
        for path in tree.DOCUMENTS
        for name, file in _NAME_IN_FILE.findall(_without_blocks(path))
        if (tree.ROOT / file).is_file()
    ]
    assert placed
    missing = [
        f"{tree.name(path)}: {name} in {file}"
        for path, name, file in placed
        if not re.search(rf"\b{name}\b", (tree.ROOT / file).read_text("utf-8"))
    ]
    assert not missing, "\n".join(missing)


def test_every_quoted_test_is_in_its_file() -> None:
    """A document may quote the name of a test in words after a file: `tests/…/test_x.py`: a form goes into the body."""
    missing = []
    for path in tree.ROOT.glob("docs/*.md"):
        for file, words in _QUOTED_TEST.findall(path.read_text("utf-8")):
            name = "_".join(words.lower().split())
            if name not in (tree.ROOT / file).read_text("utf-8"):
                missing.append(f"{tree.name(path)}: {file}: {words}")
    assert not missing, "\n".join(missing)


def test_every_package_points_to_the_glossary() -> None:
    packages = [path for path in tree.modules() if path.name == "__init__.py"]
    silent = [path for path in packages if "docs/glossary.md" not in (ast.get_docstring(tree.tree(path)) or "")]
    assert not silent, "end these docstrings with 'Terms: docs/glossary.md.': " + ", ".join(map(tree.name, silent))


def _dispatch_lines() -> Iterator[tuple[Path, list[str]]]:
    for path in tree.DOCUMENTS:
        for block in re.findall(r"^ *```\n(.*?)^ *```", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE):
            for line in block.replace("\\\n", " ").splitlines():
                words = (
                    shlex.split(line, comments=True)
                    if re.match(r" *(docker compose run --rm )?dispatch ", line)
                    else []
                )
                if words:
                    yield path, words[words.index("dispatch") + 1 :]


@pytest.mark.parametrize(("path", "words"), list(_dispatch_lines()))
def test_every_dispatch_command_in_a_document_is_accepted_by_the_parser(path: Path, words: list[str]) -> None:
    command: click.Command = main
    context = click.Context(main, info_name="dispatch", **main.context_settings)
    rest = words
    while isinstance(command, click.Group):
        _, rest, _ = command.make_parser(context).parse_args(rest)
        name, found, rest = command.resolve_command(context, rest)
        assert found, f"{tree.name(path)}: no command {name}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_parser(context).parse_args(rest)  # raises for an unknown option or a missing value


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [tree.ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        waiting += [(path.parent / file).resolve() for file, _ in _LINK.findall(path.read_text("utf-8")) if file]
    assert not set(tree.DOCUMENTS) - reached, [tree.name(path) for path in set(tree.DOCUMENTS) - reached]


def test_the_glossary_is_in_alphabetical_order() -> None:
    terms = re.findall(r"^## (.*)", (tree.ROOT / "docs/glossary.md").read_text("utf-8"), flags=re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)
