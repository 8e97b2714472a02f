"""``dispatch template``: texts registered with the DLT; importing, listing and checking them."""

import json
from pathlib import Path

import click
from rich.table import Table

from producers.cli import CliContext
from producers.cli.output import console
from producers.errors import InputInvalid
from producers.registry import file
from producers.registry.inspect import problems
from producers.registry.merge import Line, Merge
from producers.registry.portal import Portal
from times_dispatch.settings.document import Document
from times_dispatch.settings.registry import registry_path
from times_dispatch.sms.templates import Template

_LINES_SHOWN = 20


@click.group()
def template() -> None:
    """Import, list and check the texts registered with the DLT."""


@template.command("import")
@click.argument("download", type=click.Path(path_type=Path))
@click.option("--sender", default="", help="Whose templates they are, if the download names no headers.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--json", "for_programs", is_flag=True, help="One JSON object.")
@click.pass_obj
def import_(options: CliContext, download: Path, *, sender: str, dry_run: bool, for_programs: bool) -> None:
    """Take approved templates from DOWNLOAD, a CSV or Excel file of a DLT portal, into the registry file.

    dispatch.toml names the registry file: [registry] templates = "templates.toml". A template is known again by its id
    and keeps its name here. Exits with 1 if a row was refused.
    """
    path = _registry(options)
    if not path.exists():
        file.write(path, {})
    settings = options.settings(frozenset())
    if sender and sender not in settings.senders:
        raise InputInvalid(f"--sender {sender}: there is no such sender in the settings")
    own = Document.read(options.settings_path).data.get("templates", {})
    merge = Merge(
        {name: item for name, item in settings.templates.items() if name not in own},
        elsewhere={name: item for name, item in settings.templates.items() if name in own},
        senders=settings.senders,
        default_sender=sender,
    )
    merge.take(Portal(download).rows())
    if not dry_run and (merge.added or merge.changed or merge.removed):
        file.write(path, merge.templates)
    _print_import(merge, for_programs=for_programs)
    if merge.refused:
        raise SystemExit(1)


@template.command("list")
@click.option("--sender", default="", help="Only those that it may send.")
@click.option("--json", "for_programs", is_flag=True, help="One JSON array.")
@click.pass_obj
def list_(options: CliContext, *, sender: str, for_programs: bool) -> None:
    """List the templates with their ids, senders and slots."""
    templates = {
        name: item
        for name, item in options.settings(frozenset()).templates.items()
        if not sender or sender in item.headers
    }
    if for_programs:
        click.echo(json.dumps([{"name": name, **item.model_dump()} for name, item in templates.items()]))
        return
    table = Table("template", "content id", "senders", "category", "slots", box=None, pad_edge=False)
    for name, item in templates.items():
        slots = " ".join(slot.kind for slot in Template(item.text).slots) or "none"
        table.add_row(name, item.content_id, " ".join(item.headers), item.category or "of its sender", slots)
    console().print(table if templates else "no templates yet")


@template.command()
@click.argument("names", nargs=-1)
@click.pass_obj
def check(options: CliContext, names: tuple[str, ...]) -> None:
    """Check templates (all, if none is NAMED) for what operators drop and what costs; exits with 1 if there is any."""
    settings = options.settings(frozenset())
    if unknown := [name for name in names if name not in settings.templates]:
        raise InputInvalid(*(f"there is no template {name}" for name in unknown))
    found = {name: problems(name, settings) for name in names or settings.templates}
    for name, lines in found.items():
        for line in lines:
            click.echo(f"{name}: {line}")
    bad = sum(map(bool, found.values()))
    click.echo(f"{len(found):,} templates checked, {bad:,} with something to look at")
    if bad:
        raise SystemExit(1)


def _registry(options: CliContext) -> Path:
    path = registry_path(Document.read(options.settings_path))
    if path is None:
        raise InputInvalid(
            f"{options.settings_path}: names no registry file; add these two lines:\n"
            '[registry]\ntemplates = "templates.toml"'
        )
    return path


def _print_import(merge: Merge, *, for_programs: bool) -> None:
    found: dict[str, list[Line]] = {
        "added": merge.added,
        "changed": merge.changed,
        "removed": merge.removed,
        "unchanged": merge.unchanged,
        "refused": merge.refused,
    }
    if for_programs:
        click.echo(json.dumps({what: [line._asdict() for line in lines] for what, lines in found.items()}))
        return
    for what, lines in found.items():
        click.echo(f"{what:10}{len(lines):,}")
        if what == "unchanged":
            continue
        for line in lines[:_LINES_SHOWN]:
            click.echo(f"          line {line.line}: {line.name}" + (f": {line.reason}" if line.reason else ""))
        if (more := len(lines) - _LINES_SHOWN) > 0:
            click.echo(f"          and {more:,} more; --json lists all")
