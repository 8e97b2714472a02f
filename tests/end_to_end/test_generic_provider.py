"""A provider without a preset, which only the settings describe: a form body, OAuth tokens, a header, answer codes."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.kit.command_line import campaign_file, compare, show, submit, watch
from times_dispatch.demo import recipients
from times_dispatch.demo.processes import run
from times_dispatch.demo.stack import SANDBOX_IN_SETTINGS, SETTINGS, Stack
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.states import SENT, CampaignState

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("generic_provider")]  # one stack for all tests of the file

RATE = 200
LIFETIME_S = 6
OTHER = f"""
[providers.other]
method = "POST"
endpoint = "{SANDBOX_IN_SETTINGS}/generic/v2/messages"
encoding = "form"
auth = "oauth2"
headers = {{ X-Channel = "bulk" }}
custom = {{ route = "4" }}

[providers.other.payload]
mobile = "+$$To"
message = "$$Body"
sender = "$$From"
template = "$$TemplateID"
unicode = "$$Unicode"
ref = "$$MessageID"
route = "$$route"

[providers.other.oauth2]
token_url = "{SANDBOX_IN_SETTINGS}/generic/oauth/token"

[providers.other.answers]
code = "result.status.code"
id = "result.message.id"
parts = "result.message.segments"
accepted = ["QUEUED"]
rejected = ["E_NUMBER", "E_REQUEST"]
brake_sender = ["E_SENDER"]
brake_campaign = ["E_TEMPLATE"]
brake_provider = ["E_BALANCE", "E_AUTH"]
numbers = {{ E_NUMBER = 2054, E_REQUEST = 400, E_SENDER = 2051, E_TEMPLATE = 5001, E_BALANCE = 6001, E_AUTH = 2070 }}
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    settings = SETTINGS.read_text("utf-8").replace("rate_per_s = 800", f'rate_per_s = {RATE}\nprovider = "other"')
    settings = settings.replace("[senders.TIMOTP]\n", '[senders.TIMOTP]\nprovider = "other"\n')
    client = {"client_id": "c-id", "client_secret": "c-s3cret"}
    with Stack(
        workers=2,
        settings=settings + OTHER,
        sandbox={
            "seed": 11,
            "invalid_numbers": 0.01,
            "generic": {**client, "token_lifetime_s": LIFETIME_S},
            "reports": {"delay_min_ms": 50, "delay_max_ms": 500, "failed": 0.0},  # a test message must be delivered
        },
        environment={f"DISPATCH_PROVIDER_OTHER_{name.upper()}": value for name, value in client.items()},
    ) as stack:
        yield stack


def test_a_campaign_goes_out_while_its_tokens_end_and_the_workers_share_each(stack: Stack) -> None:
    rows = stack.folder / "generic.csv"
    recipients.write(rows, 2_800, seed=21, wrong=False)
    campaign = submit(stack, campaign_file(stack, "generic"), rows)

    watch(stack, campaign, timeout_s=60)
    view, comparison = compare(stack, campaign)

    assert view.state is CampaignState.FINISHED
    assert view.counters_add_up
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    books = stack.books()
    assert books["all"]["accepted"] == sum(view.counts[state] for state in SENT)
    assert books["all"]["parts"] == view.parts
    assert view.codes["push:2054"] > 0
    tokens = books["tokens"]
    seconds = books["all"]["last_arrival"] - books["all"]["first_arrival"]
    assert seconds > 2 * LIFETIME_S
    assert 2 <= tokens["issued"] <= seconds / (LIFETIME_S * 0.7) + 1
    assert (tokens["max_at_once"], tokens["locked_out"], tokens["refused"]) == (1, 0, 0)


def test_a_slow_token_server_costs_time_and_no_message(stack: Stack) -> None:
    change(stack, token_delay_s=2.0)
    time.sleep(LIFETIME_S)  # until the workers' token expires
    rows = stack.folder / "slow.csv"
    recipients.write(rows, 200, seed=22, wrong=False)
    campaign = submit(stack, campaign_file(stack, "slow-token"), rows)
    watch(stack, campaign, timeout_s=60)
    change(stack)
    view, comparison = compare(stack, campaign)
    assert view.state is CampaignState.FINISHED
    assert (comparison.examples, comparison.accepted_twice, comparison.undecided) == ([], 0, 0)
    assert stack.books()["tokens"]["max_at_once"] == 1


def test_a_test_message_needs_no_campaign_and_its_report_comes_back(stack: Stack) -> None:
    done = run(
        [
            *("dispatch", "send-test", "--country-code", "91", "--number", "9876543210"),
            *("--message", "This is a test message.", "--sender", "TIMOTP", "--wait-report", "30"),
        ],
        stack.environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "< HTTP 202" in done.stdout
    assert re.search(r"^report    delivered at ", done.stdout, re.MULTILINE)
    assert not re.search("c-s3cret|9876543210|Bearer [^*]", done.stdout + done.stderr)
    dead_letters = json.loads(run(["dispatch", "reports", "rejected", "--json"], stack.environment).stdout)
    assert dead_letters["kept"] == {}


def test_a_refused_token_stops_the_sending_for_120_s(stack: Stack) -> None:
    rows = stack.folder / "refused.csv"
    recipients.write(rows, 4_000, seed=23, wrong=False)
    campaign = submit(stack, campaign_file(stack, "refused"), rows)
    while show(stack, campaign)["states"]["pending"] > 3_800:
        pass

    change(stack, token_refused=True, revoke_tokens=True)
    asked = stack.books()["tokens"]["asked"]
    shown = until_held(stack, campaign)
    arrivals = stack.books()["all"]["arrivals"]
    time.sleep(3.0)  # the test waits for a time, because it tests that nothing is sent
    books = stack.books()

    assert books["all"]["arrivals"] == arrivals
    assert shown["reason"].startswith("provider other is backing off: token refused: HTTP 401")
    assert shown["states"]["in_doubt"] == 0
    assert books["tokens"]["asked"] - asked <= 1
    run(["dispatch", "cancel", campaign, "--yes"], stack.environment)
    change(stack)
    stack.check()


def until_held(stack: Stack, campaign: CampaignId) -> dict[str, Any]:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        shown = show(stack, campaign)
        if "backing off" in shown["reason"] and shown["states"]["sending"] == 0:
            return shown
    raise AssertionError(f"the campaign was never held: {show(stack, campaign)}")


def change(stack: Stack, **faults: Any) -> None:
    httpx.post(f"{stack.sandbox_url}/sandbox/faults?only=1", json=faults, trust_env=False).raise_for_status()
