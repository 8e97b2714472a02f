"""What happens to a real stack, and what people are told of it by alerts."""

import json
import time
from collections.abc import Callable

import httpx

from tests.kit.command_line import campaign_file, submit
from tests.kit.webhook import Webhook
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import Stack
from times_dispatch.ledger.alerts import AlertKind
from times_dispatch.ledger.model import CampaignId

WITHIN_S = 300.0
"""How long a test waits for an alert or its end."""
OVER = "over after "
"""What the text of an alert that is over has."""


class Story:
    """What happens to a stack, and what its target was told of it."""

    def __init__(self, stack: Stack, webhook: Webhook) -> None:
        self.stack, self._webhook = stack, webhook
        self._rows = 0

    def campaign(self, name: str, messages: int, *, extra: str = "") -> CampaignId:
        """Submit a campaign to numbers that no other campaign has."""
        self._rows += 1
        rows = self.stack.folder / f"{name}.csv"
        recipients.write(rows, messages, seed=100 + self._rows, wrong=False)
        return submit(self.stack, campaign_file(self.stack, name, extra=extra), rows)

    def dispatch(self, *words: str) -> str:
        """Run a command, which must succeed."""
        done = run(["dispatch", *words], self.stack.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def faults(self, **faults: object) -> None:
        """Let the provider misbehave."""
        url = f"{self.stack.sandbox_url}/sandbox/faults"
        httpx.post(url, json=faults, trust_env=False, timeout=60).raise_for_status()

    def open_kinds(self) -> list[str]:
        """Return the kind of each open alert."""
        return [each["kind"] for each in json.loads(self.dispatch("alerts", "list", "--json"))["open"]]

    def wait_for(self, kind: AlertKind, *, words: str) -> None:
        """Wait until people were told something with these words."""
        self.until(lambda: any(words in text for text in self._webhook.texts), f"{kind}: {words}")

    def wait_for_end(self, kind: AlertKind) -> None:
        """Wait until no alert of a kind is open."""
        self.until(lambda: kind not in self.open_kinds(), f"the end of {kind}")

    def until(self, reached: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        until = time.monotonic() + WITHIN_S
        while not reached():
            assert time.monotonic() < until, f"waited too long for {what}; told: {self._webhook.texts}"
            time.sleep(0.5)

    def lines(self, words: str, *, over: bool) -> list[str]:
        """Return the lines with some words that tell of a beginning, or of an end."""
        every = [line for text in self._webhook.texts for line in text.splitlines()]
        return [line for line in every if words in line and (OVER in line) is over]
