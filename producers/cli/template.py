"""``dispatch template``: imports, lists and checks templates that are registered with the DLT."""

import json
from pathlib import Path

import click
from rich.table import Table

from producers.cli import CliContext, CommandGroup, completion
from producers.cli.output import console, echo, echo_report
from producers.errors import InputInvalid
from producers.recipients.reader.limits import ReaderLimits
from producers.registry import file
from producers.registry.columns import FIELDS
from producers.registry.lint import lint
from producers.registry.merge import Merge, MergedRow
from producers.registry.portal import PortalDownload
from producers.registry.validation import template_problems
from times_dispatch.plurals import counted
from times_dispatch.settings.model import Settings
from times_dispatch.settings.registry import registry_path
from times_dispatch.settings.toml.document import Document
from times_dispatch.similar_names import similar_name
from times_dispatch.sms.templates import Template

_MAX_ROWS = 20


@click.group(cls=CommandGroup)
def template() -> None:
    """Import, list and check templates that are registered with the DLT."""


@template.command("import")
@click.argument("download", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--sender",
    default="",
    shell_complete=completion.senders,
    help="The sender of templates for which the download names no header.",
)
@click.option(
    "--column",
    "named_columns",
    metavar="FIELD=NAME",
    multiple=True,
    help=f"The name of a column, as in content=body. Fields: {', '.join(FIELDS)}. May be repeated.",
)
@click.option("--dry-run", is_flag=True, help="Show the changes of an import, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def import_(
    options: CliContext, download: Path, *, sender: str, named_columns: tuple[str, ...], dry_run: bool, as_json: bool
) -> None:
    """Import the approved templates of DOWNLOAD, a CSV or Excel file of a DLT portal, into the registry file.

    dispatch.toml names the registry file: [registry] templates = "templates.toml". A template that is imported again is
    recognised by its content id and keeps its name. Exits with 1 if a row was refused.
    """
    columns = _named_columns(named_columns)
    path = _registry_path(options)
    if not path.exists():
        file.write(path, {})
    settings = options.settings()
    if sender and sender not in settings.senders:
        raise InputInvalid(f"--sender {sender}: there is no such sender in the settings")
    in_dispatch_toml = Document.read(options.settings_path).data.get("templates", {})
    merge = Merge(
        {name: item for name, item in settings.templates.items() if name not in in_dispatch_toml},
        elsewhere={name: item for name, item in settings.templates.items() if name in in_dispatch_toml},
        senders=settings.senders,
        default_sender=sender,
    )
    merge.add(PortalDownload(download, columns, limits=ReaderLimits.of(settings.recipients)).rows())
    if not dry_run and (merge.added or merge.changed or merge.removed):
        file.write(path, merge.templates)
    _print_import(merge, as_json=as_json)
    if merge.refused:
        raise SystemExit(1)


@template.command("list")
@click.option(
    "--sender", default="", shell_complete=completion.senders, help="List only templates that this sender may send."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_obj
def list_(options: CliContext, *, sender: str, as_json: bool) -> None:
    """List the templates with their ids, senders and slots."""
    templates = {
        name: item for name, item in options.settings().templates.items() if not sender or sender in item.headers
    }
    if as_json:
        echo(json.dumps([{"name": name, **item.model_dump()} for name, item in templates.items()]))
        return
    table = Table("template", "content id", "senders", "category", "slots", box=None, pad_edge=False)
    for name, item in templates.items():
        slots = " ".join(slot.kind for slot in Template(item.text).slots) or "none"
        table.add_row(name, item.content_id, " ".join(item.headers), item.category or "of its sender", slots)
    console().print(table if templates else f"sender {sender} has no template" if sender else "no templates yet")


@template.command()
@click.argument("names", nargs=-1, shell_complete=completion.templates)
@click.pass_obj
def check(options: CliContext, names: tuple[str, ...]) -> None:
    """Check the templates NAMES, or all, for mistakes that drop messages, cost too much or break rules of portals.

    A line that begins with "advice" names something that operators may object to; any other line makes the exit code 1.
    """
    settings = options.settings()
    if unknown := [name for name in names if name not in settings.templates]:
        raise InputInvalid(*(_unknown(name, settings) for name in unknown))
    with_problems = 0
    for name in names or settings.templates:
        problems, advice = checked_template(name, settings)
        echo_report(*(f"{name}: {line}" for line in [*problems, *advice]), indent=2)
        with_problems += bool(problems)
    echo(f"{counted(len(names or settings.templates), 'template')} checked, {with_problems:,} with problems")
    if with_problems:
        raise SystemExit(1)


def _unknown(name: str, settings: Settings) -> str:
    similar = similar_name(name, settings.templates)
    hint = f"did you mean {similar}?" if similar else "dispatch template list shows all templates"
    return f"there is no template {name}; {hint}"


def checked_template(name: str, settings: Settings) -> tuple[list[str], list[str]]:
    """Return the lines about a template's problems, and the lines with advice."""
    findings = lint(name, settings)
    problems = [
        *template_problems(name, settings),
        *(str(finding) for finding in findings if finding.rule.is_problem),
    ]
    return problems, [str(finding) for finding in findings if not finding.rule.is_problem]


def _named_columns(options: tuple[str, ...]) -> dict[str, str]:
    columns = {}
    for option in options:
        field, equals, name = option.partition("=")
        if field.strip() not in FIELDS or not equals or not name.strip():
            raise InputInvalid(f"--column {option}: must be FIELD=NAME, and FIELD one of {', '.join(FIELDS)}")
        columns[field.strip()] = name.strip()
    return columns


def _registry_path(options: CliContext) -> Path:
    path = registry_path(Document.read(options.settings_path))
    if path is None:
        raise InputInvalid(
            f"{options.settings_path}: names no registry file; add these two lines:",
            "[registry]",
            'templates = "templates.toml"',
        )
    return path


def _print_import(merge: Merge, *, as_json: bool) -> None:
    outcomes: dict[str, list[MergedRow]] = {
        "added": merge.added,
        "changed": merge.changed,
        "removed": merge.removed,
        "unchanged": merge.unchanged,
        "refused": merge.refused,
    }
    if as_json:
        echo(json.dumps({outcome: [row._asdict() for row in rows] for outcome, rows in outcomes.items()}))
        return
    for outcome, rows in outcomes.items():
        echo(f"{outcome:10}{len(rows):,}")
        if outcome == "unchanged":
            continue
        for row in rows[:_MAX_ROWS]:
            echo_report(f"          line {row.line}: {row.name}" + (f": {row.reason}" if row.reason else ""), indent=12)
        if (more := len(rows) - _MAX_ROWS) > 0:
            echo(f"          and {more:,} more; --json lists all")
