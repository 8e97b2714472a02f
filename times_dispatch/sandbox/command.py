"""The command ``dispatch sandbox``."""

import asyncio
import gc
from pathlib import Path

import click
import uvloop

from times_dispatch.process import on_signal
from times_dispatch.sandbox.config import ConfigInvalid, SandboxConfig, read
from times_dispatch.sandbox.scenarios import SCENARIOS
from times_dispatch.sandbox.service import serve

_RARE_COLLECTIONS = (100_000, 50, 1_000)
_RANGE = (click.IntRange(min=0), click.IntRange(min=0))


@click.command()
@click.option("--host", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one. [default: 0]")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, readable=False),
    help="TOML file; the options of the command override it.",
)
@click.option("--seed", type=int, help="The same seed gives the same responses, reports and faults. [default: 1]")
@click.option("--username", envvar="SANDBOX_USERNAME", show_envvar=True)
@click.option("--password", envvar="SANDBOX_PASSWORD", show_envvar=True, help="Prefer the environment variable.")
@click.option("--senders", help="Registered senders, separated by commas. [default: any sender]")
@click.option("--reports-url", envvar="SANDBOX_REPORTS_URL", show_envvar=True, help="URL for delivery reports.")
@click.option("--report-delay-ms", type=_RANGE, metavar="MIN MAX", help="How long after a push its reports are posted.")
@click.option("--latency-ms", type=_RANGE, metavar="MIN MAX", help="How long a push waits for its response.")
@click.option(
    "--scenario",
    type=click.Choice(list(SCENARIOS)),
    help="A usual fault of providers; docs/sandbox.md explains the scenarios.",
)
@click.option("--journal", help="File that keeps the books during a restart.")
def sandbox(
    path: Path | None,
    senders: str | None,
    report_delay_ms: tuple[int, int] | None,
    latency_ms: tuple[int, int] | None,
    scenario: str | None,
    **options: object,
) -> None:
    """Simulate Times Mobile: accept pushes, post delivery reports, and keep books at /sandbox/books.

    The command prints the sandbox's URL on one line as soon as the sandbox listens.
    """
    if senders is not None:
        options["senders"] = {sender.strip(): () for sender in senders.split(",") if sender.strip()}
    options["reports_delay_min_ms"], options["reports_delay_max_ms"] = report_delay_ms or (None, None)
    options["latency_min_ms"], options["latency_max_ms"] = latency_ms or (None, None)
    try:
        config = read(path, **{**SCENARIOS.get(scenario or "", {}), **_given(options)})
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(config))
    except OSError as error:
        raise click.ClickException(f"cannot start: {error.strerror}") from None


def _given(options: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


async def _run(config: SandboxConfig) -> None:
    """Serve until SIGTERM or SIGINT."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_RARE_COLLECTIONS)  # a full collection is a pause, which would falsify arrival times
    serving = asyncio.ensure_future(serve(config, ready=click.echo))  # noqa: TID251  # its own URL
    on_signal(serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        if not serving.cancelled():
            raise
