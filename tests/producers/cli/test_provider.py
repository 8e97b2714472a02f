import json
import re
from pathlib import Path

from click.testing import Result

from tests.kit.producers import Run
from tests.kit.provider_settings import has_no_secret
from tests.kit.sandbox_thread import SandboxThread


def test_list_shows_the_providers_and_their_senders(provider_run: Run, sandbox: SandboxThread) -> None:
    done = provider_run("provider", "list")
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
    listed = json.loads(provider_run("provider", "list", "--json").stdout)
    assert [row["default"] for row in listed] == [True, False, False]
    assert has_no_secret(done)


def test_check_finds_no_problem_in_good_settings_and_reaches_the_provider(
    provider_run: Run, sandbox: SandboxThread
) -> None:
    done = provider_run("provider", "check", "--connect")
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
    line = re.search(rf"{re.escape(f'{url}/{path}')} answers OPTIONS with HTTP 405 after \d+ ms", done.stdout)
    assert line
    return line[0]


def test_check_lists_all_problems_of_one_provider(provider_run: Run, provider_folder: Path) -> None:
    text = (provider_folder / "dispatch.toml").read_text()
    text = text.replace('mobile = "+$$To"', 'mobile = "$$to"').replace('accepted = ["QUEUED"]', "")
    (provider_folder / "dispatch.toml").write_text(text)
    done = provider_run("provider", "check", "other", DISPATCH_PROVIDER_OTHER_CLIENT_SECRET=None)
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
    (checked,) = json.loads(provider_run("provider", "check", "other", "--json").stdout)
    assert len(checked["problems"]) == 2


def test_check_names_the_provider_that_does_not_answer(provider_run: Run, sandbox: SandboxThread) -> None:
    sandbox.change(token_refused=True)
    done = provider_run("provider", "check", "other", "--connect")
    assert done.exit_code == 1
    assert "does not answer: " in done.stdout
    assert "token refused: HTTP 401: invalid_client" in done.stdout


def test_an_unknown_provider_gets_the_nearest_name_as_a_hint(provider_run: Run) -> None:
    for command in (("provider", "check", "timesmobil"), ("callback-url", "timesmobil")):
        done = provider_run(*command)
        assert done.exit_code == 2
        assert done.stderr == "there is no provider timesmobil; did you mean timesmobile?\n"
