import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from producers.cli import main
from tests.kit.sandbox_thread import Gateway, gateway
from times_dispatch.provider.ids import TRIAL_CAMPAIGN

SETTINGS = """\
[providers.timesmobile]
preset = "timesmobile-post"
endpoint = "{url}/ct/api/v1/message"
default = true

[providers.getter]
preset = "timesmobile-get"
endpoint = "{url}/ct/api/v1/send"

[providers.other]
method = "POST"
endpoint = "{url}/generic/v2/messages"
encoding = "form"
auth = "oauth2"
headers = {{ X-Channel = "bulk" }}

[providers.other.payload]
mobile = "+$$To"
message = "$$Body"
sender = "$$From"
template = "$$TemplateID"
unicode = "$$Unicode"
ref = "$$MessageID"
route = "$$route"

[providers.other.oauth2]
token_url = "{url}/generic/oauth/token"

[providers.other.answers]
code = "result.status.code"
id = "result.message.id"
parts = "result.message.segments"
accepted = ["QUEUED"]
brake_provider = ["E_AUTH"]
numbers = {{ E_AUTH = 2070 }}

[senders.TIMESM]
category = "service"
provider = ["timesmobile", "other"]

[senders.TIMOTP]
category = "transactional"
provider = "getter"

[templates.shipped]
senders = ["TIMOTP", "TIMESM"]
content_id = "1207161786534401928"
text = "Your order {{#var#}} is on its way."

[callbacks]
public_url = "https://sms.example.com/in/"
"""
VARIABLES = {
    "DISPATCH_ID_KEY": "0123456789abcdef",
    "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
    "DISPATCH_PROVIDER_TIMESMOBILE_USERNAME": "shop",
    "DISPATCH_PROVIDER_TIMESMOBILE_PASSWORD": "hush-hush",
    "DISPATCH_PROVIDER_GETTER_USERNAME": "shop",
    "DISPATCH_PROVIDER_GETTER_PASSWORD": "hush-hush",
    "DISPATCH_PROVIDER_OTHER_CLIENT_ID": "c-id",
    "DISPATCH_PROVIDER_OTHER_CLIENT_SECRET": "c-secret",
}
SECRETS = ("hush-hush", "c-secret", "guess-me", "0123456789abcdef", "9876543210")
NUMBER = ("--country-code", "91", "--number", "9876543210")
MESSAGE = ("--message", "This is a test message.")

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Gateway]:
    with gateway() as running:
        yield running


@pytest.fixture
def folder(sandbox: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sandbox.reset()
    (tmp_path / "dispatch.toml").write_text(SETTINGS.format(url=sandbox.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, redis_url: str) -> Run:
    """Run a command beside settings with three providers; None takes a variable away."""

    def run_dispatch(*arguments: str, **changes: str | None) -> Result:
        return CliRunner(env={"DISPATCH_REDIS_URL": redis_url, **VARIABLES, **changes}).invoke(main, arguments)

    return run_dispatch


def has_no_secret(done: Result) -> bool:
    return not [secret for secret in SECRETS if secret in done.stdout + done.stderr]


def test_list_shows_what_is_set_up_and_who_goes_through_it(run: Run, sandbox: Gateway) -> None:
    done = run("provider", "list")
    assert done.exit_code == 0, done.stderr
    first, second, third = done.stdout.splitlines()[1:]
    assert re.split(r"\s{2,}", first.strip()) == [
        "timesmobile (default)",
        f"POST {sandbox.url}/ct/api/v1/message (json)",
        "basic",
        "TIMESM",
    ]
    assert second.split()[-1] == "TIMOTP"
    assert third.rstrip().endswith("oauth2          TIMESM (2.)")
    listed = json.loads(run("provider", "list", "--json").stdout)
    assert [row["default"] for row in listed] == [True, False, False]
    assert has_no_secret(done)


def test_check_finds_nothing_wrong_with_what_is_right_and_reaches_it(run: Run, sandbox: Gateway) -> None:
    done = run("provider", "check", "--connect")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines() == [
        "timesmobile: can work",
        f"  answers: {after(sandbox.url, 'ct/api/v1/message', done)}",
        "getter: can work",
        f"  answers: {after(sandbox.url, 'ct/api/v1/send', done)}",
        "other: can work",
        "  note: every campaign must give $$route under [custom]",
        f"  answers: {sandbox.url}/generic/oauth/token grants a token",
        f"  answers: {after(sandbox.url, 'generic/v2/messages', done)}",
    ]
    assert sandbox.books()["all"]["arrivals"] == 0
    assert has_no_secret(done)


def after(url: str, path: str, done: Result) -> str:
    found = re.search(rf"{re.escape(f'{url}/{path}')} answers OPTIONS with HTTP 405 after \d+ ms", done.stdout)
    assert found
    return found[0]


def test_check_says_all_that_is_wrong_with_one(run: Run, folder: Path) -> None:
    text = (folder / "dispatch.toml").read_text()
    text = text.replace('mobile = "+$$To"', 'mobile = "$$to"').replace('accepted = ["QUEUED"]', "")
    (folder / "dispatch.toml").write_text(text)
    done = run("provider", "check", "other", DISPATCH_PROVIDER_OTHER_CLIENT_SECRET=None)
    assert done.exit_code == 1
    place = "dispatch.toml:10: providers.other: "
    unset = (
        "environment: DISPATCH_PROVIDER_OTHER_CLIENT_SECRET: is not set (credentials of provider other), and neither"
    )
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "other: cannot work",
        f"problem: {place}the payload needs $$To",
        f"problem: {place}answers must say what is accepted: codes, states or HTTP statuses",
        f"problem: {unset} is DISPATCH_PROVIDER_OTHER_CLIENT_SECRET_FILE",
        f"warning: {place}$$to is taken for a custom key-value; did you mean $$To?",
        "note: every campaign must give $$to, $$route under [custom]",
    ]
    (found,) = json.loads(run("provider", "check", "other", "--json").stdout)
    assert len(found["problems"]) == 2


def test_check_says_who_does_not_answer(run: Run, sandbox: Gateway) -> None:
    sandbox.change(token_refused=True)
    done = run("provider", "check", "other", "--connect")
    assert done.exit_code == 1
    assert "does not answer: " in done.stdout
    assert "token refused: HTTP 401: invalid_client" in done.stdout


def test_an_unknown_name_is_told_with_the_nearest(run: Run) -> None:
    for command in (("provider", "check", "timesmobil"), ("callback-url", "timesmobil")):
        done = run(*command)
        assert done.exit_code == 2
        assert done.stderr == "there is no provider timesmobil; did you mean timesmobile?\n"


def test_the_callback_url_keeps_its_secret_until_asked(run: Run) -> None:
    done = run("callback-url", "timesmobile")
    assert done.stdout == "https://sms.example.com/in/callbacks/********\n"
    assert done.stderr == "the last part is a secret: --show-secret prints it\n"
    shown = run("callback-url", "timesmobile", "--show-secret")
    assert (shown.stdout, shown.stderr) == ("https://sms.example.com/in/callbacks/guess-me-if-you-can\n", "")


def test_a_callback_url_needs_an_address_and_warns_of_plain_http(run: Run) -> None:
    plain = run("callback-url", "timesmobile", "--show-secret", DISPATCH_CALLBACKS_PUBLIC_URL="http://sms.example.com")
    assert plain.stdout == "http://sms.example.com/callbacks/guess-me-if-you-can\n"
    assert plain.stderr.startswith("warning: it is plain http")
    Path("dispatch.toml").write_text(Path("dispatch.toml").read_text().partition("[callbacks]")[0])
    none = run("callback-url", "timesmobile")
    assert none.exit_code == 2
    assert none.stderr.startswith("[callbacks] public_url is not set")


def test_a_test_message_goes_out_and_the_exchange_is_shown_without_secrets(run: Run, sandbox: Gateway) -> None:
    done = run("send-test", *NUMBER, *MESSAGE)
    assert done.exit_code == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert re.fullmatch(
        rf"message   {TRIAL_CAMPAIGN}[0-9a-z]{{24}} from TIMESM to 9198\*\*\*\*\*210 through timesmobile", first
    )
    assert lines[:2] == [
        "template  shipped (1207161786534401928)",
        "          the message is not this template's text: an operator may drop it, unreported",
    ]
    assert "> Authorization: ***" in lines
    assert '>   "text": "This is a test message.",' in lines
    assert "< HTTP 200" in lines
    assert re.fullmatch(r"accepted  accepted \(code 200\), transaction \d+, 1 part, after \d+ ms", lines[-1])
    books = sandbox.books()["all"]
    assert (books["accepted"], books["unicode_mismatches"]) == (1, 0)
    assert has_no_secret(done)


def test_the_registered_text_raises_no_doubt(run: Run) -> None:
    done = run("send-test", *NUMBER, "--message", "Your order 17 is on its way.")
    assert "an operator may drop it" not in done.stdout


@pytest.mark.parametrize(("encoding", "shown"), [("form", 'v = ["17 & 18"]'), ("json", '"17 & 18"')])
def test_the_values_of_the_slots_go_along_where_the_provider_takes_them(
    run: Run, folder: Path, encoding: str, shown: str
) -> None:
    text = (folder / "dispatch.toml").read_text().replace('encoding = "form"', f'encoding = "{encoding}"')
    (folder / "dispatch.toml").write_text(text.replace('route = "$$route"', 'v = "$$TemplateVariables"'))
    done = run("send-test", *NUMBER, "--message", "Your order 17 & 18 is on its way.", "--provider", "other")
    assert f"> {shown}" in [re.sub(" +", " ", line) for line in done.stdout.splitlines()]
    assert "without values" not in done.stdout
    other = run("send-test", *NUMBER, *MESSAGE, "--provider", "other")
    assert "          $$TemplateVariables goes without values: write the message as its template" in other.stdout


def test_a_value_may_be_as_long_as_its_template_says(run: Run, folder: Path) -> None:
    message = ("--message", f"Your order {'1' * 40} is on its way.")
    assert "an operator may drop it" in run("send-test", *NUMBER, *message).stdout
    text = (folder / "dispatch.toml").read_text()
    (folder / "dispatch.toml").write_text(text.replace("content_id", "max_value_length = 40\ncontent_id"))
    assert "an operator may drop it" not in run("send-test", *NUMBER, *message).stdout


def test_sender_provider_and_custom_values_can_be_chosen(run: Run, sandbox: Gateway) -> None:
    refused = run("send-test", *NUMBER, *MESSAGE, "--provider", "other")
    assert refused.exit_code == 2
    assert refused.stderr == "provider other needs $$route: give --custom NAME=VALUE for each\n"
    done = run("send-test", *NUMBER, "--message", "नमस्ते & 1+1", "--provider", "other", "--custom", "route=4")
    assert done.exit_code == 0, done.stderr
    assert "from TIMESM" in done.stdout
    assert "> message = नमस्ते & 1+1" in done.stdout.splitlines()
    assert has_no_secret(done)
    chosen = json.loads(run("send-test", *NUMBER, *MESSAGE, "--sender", "TIMOTP", "--json").stdout)
    assert (chosen["sender"], chosen["provider"], chosen["verdict"]) == ("TIMOTP", "getter", "accepted")
    books = sandbox.books()
    assert (books["all"]["accepted"], books["tokens"]["issued"]) == (2, 1)
    assert books["senders"]["TIMOTP"]["accepted"] == 1


def test_the_token_is_the_one_that_workers_share(run: Run, sandbox: Gateway, redis_url: str) -> None:
    for _ in range(2):
        assert run("send-test", *NUMBER, *MESSAGE, "--provider", "other", "--custom", "route=4").exit_code == 0
    assert sandbox.books()["tokens"]["issued"] == 1
    with Redis.from_url(redis_url) as redis:
        assert len(list(redis.scan_iter("token:other:*"))) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--sender", "TIMESN"), "there is no sender TIMESN; did you mean TIMESM?"),
        (("--provider", "tm"), "no sender goes through provider tm: give --sender"),
        (("--sender", "TIMESM", "--provider", "tm"), "there is no provider tm; there is getter, other, timesmobile"),
        (("--template", "shiped"), "there is no template shiped; did you mean shipped?"),
        (("--custom", "route"), "--custom route: must be NAME=VALUE"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_is(
    run: Run, sandbox: Gateway, arguments: tuple[str, ...], complaint: str
) -> None:
    done = run("send-test", *NUMBER, *MESSAGE, *arguments)
    assert (done.exit_code, done.stderr) == (2, f"{complaint}\n")
    assert sandbox.books()["all"]["arrivals"] == 0


def test_a_number_that_is_none_is_not_repeated(run: Run) -> None:
    done = run("send-test", "--country-code", "91", "--number", "1234567", *MESSAGE)
    assert done.exit_code == 2
    assert done.stderr.startswith("the number ")
    assert "1234567" not in done.stderr


@pytest.mark.parametrize(
    ("pace", "why"),
    [
        ({"paused": "1"}, "is paused"),
        (
            {"brake@timesmobile": "authentication failure (2070)"},
            "is held: provider timesmobile is braked: authentication failure (2070)",
        ),
        (
            {"hold_n@timesmobile": "1", "hold_until_us@timesmobile": "9e18", "hold_why@timesmobile": "busy"},
            "is held: provider timesmobile is backing off: busy",
        ),
    ],
)
def test_a_sender_that_is_held_sends_no_test_either_unless_forced(
    run: Run, sandbox: Gateway, redis_url: str, pace: dict[str, str], why: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.hset("{TIMESM}:pace", mapping=pace)
    held = run("send-test", *NUMBER, *MESSAGE)
    assert held.exit_code == 1
    assert held.stderr == f"sender TIMESM {why}: dispatch sender resume TIMESM, or send all the same with --force\n"
    assert sandbox.books()["all"]["arrivals"] == 0
    assert run("send-test", *NUMBER, *MESSAGE, "--force").exit_code == 0
    assert sandbox.books()["all"]["accepted"] == 1


def test_without_the_ledger_only_force_sends(run: Run, sandbox: Gateway) -> None:
    away = {"DISPATCH_REDIS_URL": "redis://127.0.0.1:1/0"}
    assert run("send-test", *NUMBER, *MESSAGE, **away).exit_code == 2
    assert sandbox.books()["all"]["arrivals"] == 0
    assert run("send-test", *NUMBER, *MESSAGE, "--force", **away).exit_code == 0
    assert run("send-test", *NUMBER, *MESSAGE, "--force", DISPATCH_REDIS_URL=None).exit_code == 0


def test_a_refusal_is_shown_with_what_it_would_do_to_a_campaign(run: Run, sandbox: Gateway) -> None:
    sandbox.change(wrong_credentials=True)
    done = run("send-test", *NUMBER, *MESSAGE)
    assert done.exit_code == 1
    assert re.fullmatch(
        r"rejected  authentication failure \(code 2070\); it would brake the provider, after \d+ ms",
        done.stdout.splitlines()[-1],
    )


def test_a_report_is_waited_for_if_asked(run: Run, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.randbelow", lambda _: 77)
    late = run("send-test", *NUMBER, *MESSAGE, "--wait-report", "0.1")
    assert late.exit_code == 1
    assert late.stdout.splitlines()[-1] == "report    none within 0.1 s"
    with Redis.from_url(redis_url) as redis:
        redis.zadd("trial:77", {'["intermediate",0,1795300000]': 1, '["failed",910,1795300001]': 2})
    failed = run("send-test", *NUMBER, *MESSAGE, "--wait-report")
    assert failed.exit_code == 1
    assert failed.stdout.splitlines()[-1] == "report    failed (910, invalid subscriber) at 2026-11-22 03:56:41 IST"
    with Redis.from_url(redis_url) as redis:
        redis.zadd("trial:77", {'["delivered",0,1795300002]': 3})
    delivered = run("send-test", *NUMBER, *MESSAGE, "--wait-report", "5", "--json")
    assert delivered.exit_code == 0
    assert json.loads(delivered.stdout)["report"] == {"event": "delivered", "code": 0, "ts": 1795300002}
