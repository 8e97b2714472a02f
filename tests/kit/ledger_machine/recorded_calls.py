"""Records the calls of scripts, so that a test can repeat them later with the same arguments."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from tests.kit.ledger import SENDER
from times_dispatch.ledger.scripts import Argument, Reply, Script


class RecordedCall(NamedTuple):
    """One call of a script."""

    script: Script
    arguments: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.script._name

    async def repeat(self) -> Reply:
        return await self.script(SENDER, **self.arguments)


@contextmanager
def recorded_calls() -> Iterator[list[RecordedCall]]:
    """Append every call of a script inside this context to the list."""
    calls: list[RecordedCall] = []
    ordered = Script._ordered  # every call of a script uses this method

    def record(script: Script, arguments: Mapping[str, Any]) -> list[Argument]:
        calls.append(RecordedCall(script, dict(arguments)))
        return ordered(script, arguments)

    with patch.object(Script, "_ordered", record):
        yield calls
