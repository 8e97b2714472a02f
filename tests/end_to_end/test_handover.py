"""A sender with two providers, of which the first is away, from the command line to the books of the second."""

from collections.abc import Iterator

import pytest

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SETTINGS, Stack
from times_dispatch.ledger.states import SENT, CampaignState

pytestmark = pytest.mark.processes

AWAY = """
[providers.away]
preset = "timesmobile-post"
endpoint = "http://127.0.0.1:1/ct"
"""


@pytest.fixture
def stack() -> Iterator[Stack]:
    chain = 'rate_per_s = 400\nprovider = ["away", "timesmobile"]'
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800", chain) + AWAY
    credentials = {"DISPATCH_PROVIDER_AWAY_USERNAME": "shop", "DISPATCH_PROVIDER_AWAY_PASSWORD": "hunter2"}
    with Stack(workers=2, settings=settings, environment=credentials) as stack:
        yield stack


def test_messages_that_the_first_provider_cannot_take_arrive_once_through_the_second_and_people_see_why(
    stack: Stack,
) -> None:
    rows = stack.folder / "customers.csv"
    recipients.write(rows, 1_200, seed=31, wrong=False)
    campaign = submit(stack, campaign_file(stack, "handover"), rows)
    while not (shown := show(stack, campaign))["reason"] and shown["states"]["pending"]:
        pass
    assert shown["reason"] == "provider away is backing off: connection refused; sending through timesmobile"
    listed = run(["dispatch", "sender", "list"], stack.environment).stdout
    assert "provider away is backing off" in " ".join(listed.split())

    watch(stack, campaign, timeout_s=60)
    view, comparison = compare(stack, campaign)

    assert view.state is CampaignState.FINISHED
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    books = stack.books()["all"]
    assert books["accepted"] == books["distinct_ids"] == sum(view.counts[state] for state in SENT)
    stack.check()
