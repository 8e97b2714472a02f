"""The short form of ``python -m tests.upgrade``: an upgrade and a roll-back while campaigns are sent."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.upgrade.old_tree import missing, old_tree
from tests.upgrade.scenario import Walk, run

pytestmark = [pytest.mark.processes, pytest.mark.slow]  # each process is stopped and started under load

MESSAGES = 2_000


@pytest.fixture(scope="module")
def old() -> Iterator[Path]:
    if reason := missing():
        pytest.skip(reason)
    with old_tree() as folder:
        yield folder


@pytest.mark.xdist_group("upgrade")
@pytest.mark.parametrize("walk", [Walk.ROLLING, Walk.ROLL_BACK])
def test_a_rolling_restart_between_versions_loses_and_doubles_nothing_and_leaves_nothing_in_doubt(
    walk: Walk, old: Path
) -> None:
    outcome = run(walk, old, messages=MESSAGES)
    assert outcome.messages >= MESSAGES
    assert {
        name: getattr(outcome, name)
        for name in ("accepted_twice", "not_sent", "differences", "recount", "clicks_wrong", "refused")
        if getattr(outcome, name)
    } == {}
    # On a very slow machine a worker may not get its answers within the grace period.
    assert outcome.in_doubt == 0 or outcome.cut_short
