from pathlib import Path

from tests.kit.producers import Run


def test_the_callback_url_keeps_its_secret_until_asked(provider_run: Run) -> None:
    done = provider_run("callback-url", "timesmobile")
    assert done.stdout == "https://sms.example.com/in/callbacks/********\n"
    assert done.stderr == "the last part of the URL is a secret: --show-secret prints it\n"
    shown = provider_run("callback-url", "timesmobile", "--show-secret")
    assert (shown.stdout, shown.stderr) == ("https://sms.example.com/in/callbacks/guess-me-if-you-can\n", "")


def test_a_callback_url_needs_an_address_and_warns_of_plain_http(provider_run: Run) -> None:
    plain = provider_run(
        "callback-url", "timesmobile", "--show-secret", DISPATCH_CALLBACKS_PUBLIC_URL="http://sms.example.com"
    )
    assert plain.stdout == "http://sms.example.com/callbacks/guess-me-if-you-can\n"
    assert plain.stderr.startswith("warning: the URL is plain http")
    Path("dispatch.toml").write_text(Path("dispatch.toml").read_text().partition("[callbacks]")[0])
    none = provider_run("callback-url", "timesmobile")
    assert none.exit_code == 2
    assert none.stderr.startswith("[callbacks] public_url is not set")
