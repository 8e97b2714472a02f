"""``python -m tests.soak``: load, viewers and faults for many minutes; fails if a value grows or a message is lost."""

import asyncio
import random
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

import click

from tests.chaos.commands import CommandStuck
from tests.chaos.testbed import ChaosTestbed
from tests.soak.run import SoakPlan, SoakResult, soak, testbed
from tests.soak.table import SoakTables
from times_dispatch.demo.processes import ProcessFailed

_ENDS_WITHIN_S = 1_200.0
_MAX_SEED = 2**31 - 1


@click.command()
@click.option("--minutes", type=click.FloatRange(1, 24 * 60), default=60.0, show_default=True, help="How long.")
@click.option(
    "--seed", type=click.IntRange(0, _MAX_SEED), help="Decides campaigns and faults. [default: another each time]"
)
@click.option("--rate", type=click.FloatRange(10, 2_000), default=200.0, show_default=True, help="Messages per second.")
@click.option("--viewers", type=click.IntRange(0, 200), default=6, show_default=True, help="Viewers of the console.")
@click.option("--keep", type=click.Path(path_type=Path), help="Copy logs and the sandbox's journal into this folder.")
def main(*, minutes: float, seed: int | None, rate: float, viewers: int, keep: Path | None) -> None:
    """Send campaigns for many minutes while faults are injected, and say whether a value grows."""
    signal.signal(signal.SIGTERM, _interrupt)
    plan = SoakPlan(minutes * 60, random.randrange(2**31) if seed is None else seed, rate, viewers)
    click.echo(f"seed {plan.seed}, {minutes:g} minutes, {rate:g} messages a second")
    with tempfile.TemporaryDirectory(prefix="times-dispatch-archive-") as archive:
        try:
            with testbed(plan, Path(archive)) as stack:
                try:
                    result = asyncio.run(_bounded(stack, plan))
                finally:
                    if keep:
                        stack.copy_logs(keep)
        except* (ProcessFailed, CommandStuck, TimeoutError) as failed:
            click.echo("\n".join(map(repr, failed.exceptions)))
            sys.exit(1)
    tables = SoakTables(result)
    click.echo("\n".join(tables.lines()))
    click.echo(f"\n{'everything holds' if tables.holds else 'not everything holds'}")
    sys.exit(0 if tables.holds else 1)


async def _bounded(stack: ChaosTestbed, plan: SoakPlan) -> SoakResult:
    async with asyncio.timeout(plan.seconds + _ENDS_WITHIN_S):
        return await soak(stack, plan, progress=click.echo)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
