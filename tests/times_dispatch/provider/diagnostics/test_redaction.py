import pytest

from times_dispatch.provider.description.provider import timesmobile_post
from times_dispatch.provider.diagnostics.redaction import REDACTED, redact, secrets_of
from times_dispatch.provider.push import Push

PUSH = Push(
    to="919876543210",
    text="Hi",
    sender="TIMESM",
    content_id="1",
    correlation_id="c1",
    unicode=False,
    custom={"pin": "1234", "api_key": "own-key"},
)


@pytest.mark.parametrize(
    "form", ["k3y&+ <x>", "k3y%26%2B%20%3Cx%3E", "k3y&amp;+ &lt;x&gt;", "k3y&#38;&#x2b; <x>", "azN5JisgPHg+"]
)
def test_a_secret_is_replaced_in_each_form_in_which_a_server_repeats_it(form: str) -> None:
    assert redact(f"before {form} after", ["k3y&+ <x>"]) == f"before {REDACTED} after"


def test_the_longest_secret_is_replaced_first() -> None:
    assert redact("a secret-and-more b", ["secret", "secret-and-more"]) == f"a {REDACTED} b"


def test_without_secrets_a_text_stays_as_it_is() -> None:
    assert redact("all of it", []) == "all of it"


def test_the_secrets_are_credentials_headers_and_values_with_the_name_of_a_secret() -> None:
    provider = timesmobile_post(nickname="tm", username="shop", password="hush", endpoint="https://x/?token=q-key&a=b")
    secrets = secrets_of(provider, PUSH, "Bearer t0ken")
    assert {"shop", "hush", "q-key", "own-key", "t0ken", provider.auth.authorization()} <= secrets
    assert not {"", "b", "1234", "Hi"} & secrets
