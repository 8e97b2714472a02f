"""``dispatch doctor``: checks settings, providers and templates, and then shows the status."""

import asyncio

import click

from producers.cli import CliContext
from producers.cli.output import echo_report
from producers.cli.provider import print_provider
from producers.cli.status import EXIT_CODES, LABEL_WIDTH, current_status, status_lines
from producers.cli.template import checked_template
from times_dispatch.plurals import counted
from times_dispatch.provider.diagnostics.probe import probe_provider
from times_dispatch.settings.errors import SettingsInvalid
from times_dispatch.settings.load import ALL_BUT_FLOWER
from times_dispatch.settings.logs import configure
from times_dispatch.settings.model import Settings
from times_dispatch.settings.providers.check import check_providers


@click.command()
@click.option(
    "--connect",
    is_flag=True,
    help="Also check whether each provider and each target of alerts answers; no message is sent.",
)
@click.pass_obj
def doctor(options: CliContext, *, connect: bool) -> None:
    """Check the settings with all secrets, every provider, template and target of alerts, and all processes.

    Exits with 0 if all is well, with 1 if something needs attention, and with 2 if nothing works.
    """
    configure(level="error")
    settings = _settings(options)
    codes = [0 if settings else 2, _providers(options, connect=connect)]
    if settings:
        codes += [_templates(settings), _archive(settings), _alerts(settings, connect=connect)]
    try:
        now = current_status(options, warns=False)
    except SettingsInvalid:
        codes.append(2)  # the mistakes of the settings above name the missing address
    else:
        echo_report(*status_lines(now), indent=LABEL_WIDTH)
        codes.append(EXIT_CODES[now.severity])
    if code := max(codes):
        raise SystemExit(code)


def _settings(options: CliContext) -> Settings | None:
    try:
        settings = options.settings(*ALL_BUT_FLOWER)
    except SettingsInvalid as invalid:
        echo_report(f"settings   {counted(len(invalid.mistakes), 'mistake')}", indent=LABEL_WIDTH)
        echo_report(*(f"  {mistake}" for mistake in invalid.mistakes), indent=4)
        return None
    warnings = counted(len(settings.warnings), "warning") if settings.warnings else "fine"
    echo_report(f"settings   {warnings}: {options.settings_path}", indent=LABEL_WIDTH)
    echo_report(*(f"  {warning}" for warning in settings.warnings), indent=4)
    return settings


def _archive(settings: Settings) -> int:
    """Print whether the folder of the archive can be reached from this host."""
    if not settings.retention.path:
        return 0
    from times_dispatch.archive.errors import ArchiveError  # noqa: PLC0415  # most installations have no archive
    from times_dispatch.archive.folder import ArchiveFolder  # noqa: PLC0415

    try:
        archives = ArchiveFolder(settings.retention.path).archives()
    except ArchiveError as error:
        echo_report(f"archive    {error}", indent=LABEL_WIDTH)
        return 1
    echo_report(f"archive    {counted(len(archives), 'folder')} in {settings.retention.path}", indent=LABEL_WIDTH)
    return 0


def _alerts(settings: Settings, *, connect: bool) -> int:
    """Print for each target of alerts whether its address is usable, without sending a message."""
    if not settings.alerts.targets:
        return 0
    from times_dispatch.alerts.targets import (  # noqa: PLC0415  # apprise is slow to import
        AppriseTarget,
        TargetInvalid,
        keep_addresses_out_of_logs,
    )

    keep_addresses_out_of_logs()
    fine = True
    for name in settings.alerts.targets:
        try:
            target = AppriseTarget(name, settings.alert_urls[name])
        except TargetInvalid as invalid:
            problem, service = str(invalid), ""
        else:
            problem, service = (asyncio.run(target.reach()) if connect else ""), target.service
        fine &= not problem
        echo_report(f"alerts     {name}: {service}{': ' if service and problem else ''}{problem}", indent=LABEL_WIDTH)
    return 0 if fine else 1


def _providers(options: CliContext, *, connect: bool) -> int:
    try:
        checked = check_providers(options.settings_path, options.variables())
    except SettingsInvalid:
        return 2  # the mistakes of the settings above name the reason
    fine = True
    for item in checked:
        usable = item.provider if connect and not item.problems else None
        reached = asyncio.run(probe_provider(usable)) if usable else []
        print_provider(item, reached)
        fine &= not item.problems and all(attempt.ok for attempt in reached)
    return 0 if fine else 1


def _templates(settings: Settings) -> int:
    with_problems = with_advice = 0
    for name in settings.templates:
        problems, advice = checked_template(name, settings)
        echo_report(*(f"template {name}: {line}" for line in problems), indent=LABEL_WIDTH)
        with_problems += bool(problems)
        with_advice += bool(advice)
    echo_report(
        f"templates  {len(settings.templates):,} checked, {with_problems:,} with problems",
        indent=LABEL_WIDTH,
    )
    if with_advice:
        echo_report(f"           dispatch template check has advice about {with_advice:,} of them", indent=LABEL_WIDTH)
    return 1 if with_problems else 0
