import json
import re
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from tests.kit.producers import Run
from tests.kit.provider_settings import PROVIDER_VARIABLES, has_no_secret
from tests.kit.sandbox_thread import SandboxThread
from times_dispatch.ledger.keys import ID_KEY
from times_dispatch.ledger.secret_digest import digest_secret
from times_dispatch.provider.correlation_ids import SEND_TEST_CAMPAIGN

NUMBER = ("--country-code", "91", "--number", "9876543210")


MESSAGE = ("--message", "This is a test message.")


def test_a_test_message_goes_out_and_the_exchange_is_shown_without_secrets(
    provider_run: Run, sandbox: SandboxThread
) -> None:
    done = provider_run("send-test", *NUMBER, *MESSAGE)
    assert done.exit_code == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(
        rf"message   {SEND_TEST_CAMPAIGN}[0-9a-z]{{24}} from TIMESM to 9198\*\*\*\*\*210 through timesmobile", first
    )
    assert lines[:2] == [
        "template  shipped (1207161786534401928)",
        "          the message is not this template's text: an operator may drop it without a report",
    ]
    assert "> Authorization: ***" in lines
    assert '>   "text": "This is a test message.",' in lines
    assert "< HTTP 200" in lines
    assert re.fullmatch(r"accepted  accepted \(code 200\), transaction \d+, 1 part, after \d+ ms", lines[-1])
    books = sandbox.books()["all"]
    assert (books["accepted"], books["unicode_mismatches"]) == (1, 0)
    assert has_no_secret(done)


def test_a_message_that_matches_the_template_gets_no_warning(provider_run: Run) -> None:
    done = provider_run("send-test", *NUMBER, "--message", "Your order 17 is on its way.")
    assert "an operator may drop it" not in done.stdout
    assert "a campaign would refuse this message" not in done.stdout


def test_reasons_to_refuse_a_campaign_with_the_message_are_named_and_the_message_goes_out(provider_run: Run) -> None:
    message = ("--message", "Your order evil.ru is on its way.")
    refusal = "variable 1 holds a link that is not whitelisted"
    done = provider_run("send-test", *NUMBER, *message)
    assert f"          {refusal}: a campaign would refuse this message" in done.stdout.splitlines()
    result = json.loads(provider_run("send-test", *NUMBER, *message, "--json").stdout)
    assert (result["matches_template"], result["refusals"], result["verdict"]) == (True, [refusal], "accepted")


@pytest.mark.parametrize(("encoding", "shown"), [("form", 'v = ["17 & 18"]'), ("json", '"17 & 18"')])
def test_the_values_of_the_slots_are_sent_where_the_provider_takes_them(
    provider_run: Run, provider_folder: Path, encoding: str, shown: str
) -> None:
    text = (provider_folder / "dispatch.toml").read_text().replace('encoding = "form"', f'encoding = "{encoding}"')
    (provider_folder / "dispatch.toml").write_text(text.replace('route = "$$route"', 'v = "$$TemplateVariables"'))
    done = provider_run("send-test", *NUMBER, "--message", "Your order 17 & 18 is on its way.", "--provider", "other")
    assert f"> {shown}" in [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    assert "without values" not in done.stdout
    other = provider_run("send-test", *NUMBER, *MESSAGE, "--provider", "other")
    assert "          $$TemplateVariables is empty: write the message as its template" in other.stdout


def test_a_value_may_be_as_long_as_its_template_says(provider_run: Run, provider_folder: Path) -> None:
    message = ("--message", f"Your order {'1' * 40} is on its way.")
    assert "an operator may drop it" in provider_run("send-test", *NUMBER, *message).stdout
    text = (provider_folder / "dispatch.toml").read_text()
    (provider_folder / "dispatch.toml").write_text(text.replace("content_id", "max_value_length = 40\ncontent_id"))
    assert "an operator may drop it" not in provider_run("send-test", *NUMBER, *message).stdout


def test_sender_provider_and_custom_values_can_be_chosen(provider_run: Run, sandbox: SandboxThread) -> None:
    refused = provider_run("send-test", *NUMBER, *MESSAGE, "--provider", "other")
    assert refused.exit_code == 2
    assert refused.stderr == "provider other needs $$route: give --custom NAME=VALUE for each\n"
    done = provider_run("send-test", *NUMBER, "--message", "नमस्ते & 1+1", "--provider", "other", "--custom", "route=4")
    assert done.exit_code == 0, done.stderr
    assert "from TIMESM" in done.stdout
    assert "> message = नमस्ते & 1+1" in done.stdout.splitlines()
    assert has_no_secret(done)
    chosen = json.loads(provider_run("send-test", *NUMBER, *MESSAGE, "--sender", "TIMOTP", "--json").stdout)
    assert (chosen["sender"], chosen["provider"], chosen["verdict"]) == ("TIMOTP", "getter", "accepted")
    books = sandbox.books()
    assert (books["all"]["accepted"], books["tokens"]["issued"]) == (2, 1)
    assert books["senders"]["TIMOTP"]["accepted"] == 1


def test_the_token_is_the_one_that_workers_share(provider_run: Run, sandbox: SandboxThread, redis_url: str) -> None:
    for _ in range(2):
        assert provider_run("send-test", *NUMBER, *MESSAGE, "--provider", "other", "--custom", "route=4").exit_code == 0
    assert sandbox.books()["tokens"]["issued"] == 1
    with Redis.from_url(redis_url) as redis:
        assert len(list(redis.scan_iter("token:other:*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--sender", "TIMESN"), "there is no sender TIMESN; did you mean TIMESM?"),
        (("--provider", "tm"), "no sender uses provider tm: give --sender"),
        (("--sender", "TIMESM", "--provider", "tm"), "there is no provider tm; there is getter, other, timesmobile"),
        (("--template", "shiped"), "there is no template shiped; did you mean shipped?"),
        (("--custom", "route"), "--custom route: must be NAME=VALUE"),
    ],
)
def test_a_bad_request_is_refused_before_anything_is_sent(
    provider_run: Run, sandbox: SandboxThread, arguments: tuple[str, ...], complaint: str
) -> None:
    done = provider_run("send-test", *NUMBER, *MESSAGE, *arguments)
    assert (done.exit_code, done.stderr) == (2, f"{complaint}\n")
    assert sandbox.books()["all"]["arrivals"] == 0


def test_an_invalid_number_is_not_printed(provider_run: Run) -> None:
    done = provider_run("send-test", "--country-code", "91", "--number", "1234567", *MESSAGE)
    assert done.exit_code == 2
    assert done.stderr.startswith("the number ")
    assert "1234567" not in done.stderr


@pytest.mark.parametrize(
    ("pace", "why"),
    [
        ({"paused": "1"}, "is paused"),
        (
            {"brake@timesmobile": "authentication failure (2070)"},
            "is stopped: provider timesmobile is braked: authentication failure (2070)",
        ),
        (
            {
                "back_off_count@timesmobile": "1",
                "back_off_until_us@timesmobile": "9e18",
                "back_off_reason@timesmobile": "busy",
            },
            "is stopped: provider timesmobile is backing off: busy",
        ),
    ],
)
def test_a_stopped_sender_sends_no_test_message_unless_forced(
    provider_run: Run, sandbox: SandboxThread, redis_url: str, pace: dict[str, str], why: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:sender", mapping=pace)
    held = provider_run("send-test", *NUMBER, *MESSAGE)
    assert held.exit_code == 1
    advice = "run dispatch sender resume TIMESM, or send nevertheless with --force"
    assert held.stderr == f"sender TIMESM {why}: {advice}\n"
    assert sandbox.books()["all"]["arrivals"] == 0
    assert provider_run("send-test", *NUMBER, *MESSAGE, "--force").exit_code == 0
    assert sandbox.books()["all"]["accepted"] == 1


def test_without_a_ledger_a_test_message_needs_force(provider_run: Run, sandbox: SandboxThread) -> None:
    away = {"DISPATCH_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert provider_run("send-test", *NUMBER, *MESSAGE, **away).exit_code == 2
    assert sandbox.books()["all"]["arrivals"] == 0
    assert provider_run("send-test", *NUMBER, *MESSAGE, "--force", **away).exit_code == 0
    assert provider_run("send-test", *NUMBER, *MESSAGE, "--force", DISPATCH_REDIS_URL=None).exit_code == 0


def test_a_rejection_says_what_it_would_brake(provider_run: Run, sandbox: SandboxThread) -> None:
    sandbox.change(wrong_credentials=True)
    done = provider_run("send-test", *NUMBER, *MESSAGE)
    assert done.exit_code == 1
    assert re.fullmatch(
        r"rejected  authentication failure \(code 2070\); "
        r"in a campaign, this answer would brake the provider, after \d+ ms",
        done.stdout.splitlines()[-1],
    )


def test_the_delivery_report_is_waited_for_and_shown(provider_run: Run, redis_url: str) -> None:
    provider_run = partial(provider_run, random_below=lambda _: 77)
    late = provider_run("send-test", *NUMBER, *MESSAGE, "--wait-report", "0.1")
    assert late.exit_code == 1
    assert late.stdout.splitlines()[-1] == "report    none within 0.1 s"
    with Redis.from_url(redis_url) as redis:
        redis.zadd("test_send:77", {'["intermediate",0,1795300000]': 1, '["failed",910,1795300001]': 2})
    failed = provider_run("send-test", *NUMBER, *MESSAGE, "--wait-report")
    assert failed.exit_code == 1
    assert failed.stdout.splitlines()[-1] == "report    failed (910, invalid subscriber) at 2026-11-22 03:56:41 IST"
    with Redis.from_url(redis_url) as redis:
        redis.zadd("test_send:77", {'["delivered",0,1795300002]': 3})
    delivered = provider_run("send-test", *NUMBER, *MESSAGE, "--wait-report", "5", "--json")
    assert delivered.exit_code == 0
    assert json.loads(delivered.stdout)["report"] == {"event": "delivered", "code": 0, "ts": 1795300002}


@pytest.mark.parametrize("option", [(), ("--force",), ("--wait-report", "1")])
def test_a_host_with_another_id_key_sends_no_test_message(
    provider_run: Run, sandbox: SandboxThread, redis_url: str, option: tuple[str, ...]
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.hset(ID_KEY, "digest", digest_secret(PROVIDER_VARIABLES["DISPATCH_ID_KEY"].encode(), purpose="id key"))
    assert provider_run("send-test", *NUMBER, *MESSAGE).exit_code == 0
    refused = provider_run("send-test", *NUMBER, *MESSAGE, *option, DISPATCH_ID_KEY="another-key-of-enough-bytes")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Redis at 127.0.0.1:")
    assert "DISPATCH_ID_KEY is not the key" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "another-key" not in refused.stderr
    assert sandbox.books()["all"]["accepted"] == 1


def test_a_host_with_only_the_key_before_a_change_sends_no_test_message(
    provider_run: Run, sandbox: SandboxThread, redis_url: str
) -> None:
    old, new = PROVIDER_VARIABLES["DISPATCH_ID_KEY"], "the-new-key-of-all-hosts"
    with Redis.from_url(redis_url) as redis:
        digests = {key: digest_secret(key.encode(), purpose="id key") for key in (old, new)}
        now_ms = int(redis.time()[0]) * 1000
        redis.hset(ID_KEY, mapping={"digest": digests[new], "previous": digests[old], "changed_ms": now_ms})
    refused = provider_run("send-test", *NUMBER, *MESSAGE)
    assert refused.exit_code == 2
    assert "DISPATCH_ID_KEY is still the previous key: set DISPATCH_ID_KEY to the new key" in refused.stderr
    assert sandbox.books()["all"]["accepted"] == 0
    both = {"DISPATCH_ID_KEY": new, "DISPATCH_ID_KEY_OLD": old}
    assert provider_run("send-test", *NUMBER, *MESSAGE, **both).exit_code == 0
