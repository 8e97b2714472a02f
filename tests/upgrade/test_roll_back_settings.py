"""docs/deploy.md names every key of the settings and of campaign files that the last release refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.upgrade.old_tree import missing, old_tree

ROOT = Path(__file__).parents[2]
LIST_KEYS = """
from typing import get_args
from pydantic import BaseModel
from producers.campaign.table import CampaignTable
from times_dispatch.settings.model import SettingsFile

def tables(kind):
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [table for part in get_args(kind) for table in tables(part)]

def walk(table, *above):
    for name, field in table.model_fields.items():
        path = (*above, field.alias or name)
        print(".".join(path))
        for inner in tables(field.annotation):
            walk(inner, *path)

walk(SettingsFile)
walk(CampaignTable, "campaign")
"""


def _keys(tree: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIST_KEYS], cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, check=True
    )
    return set(done.stdout.decode().split())


@pytest.mark.processes
def test_the_keys_to_remove_before_a_roll_back_are_all_named() -> None:
    if reason := missing():
        pytest.skip(reason)
    with old_tree() as old:
        newer = _keys(ROOT) - _keys(old)
    section = (ROOT / "docs/deploy.md").read_text("utf-8").partition("remove these keys")[2].partition("\n\n")[0]
    named = {word.strip("[]") for word in re.findall(r"`([^`]+)`", section)}
    refused = {key.rpartition(".")[2] for key in newer if key.rpartition(".")[0] not in newer}
    assert {"silence_after", "lanes"} <= refused
    assert refused - named == set()
