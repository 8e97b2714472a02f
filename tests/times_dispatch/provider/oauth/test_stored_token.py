from typing import Any

import msgspec

from times_dispatch.provider.oauth.credentials import ClientCredentials
from times_dispatch.provider.oauth.stored_token import StoredToken, TokenCipher

CREDENTIALS = ClientCredentials(token_url="https://sms.example/token", client_id="cid", client_secret="hush")
TOKEN = StoredToken(authorization="Bearer t0ken", lifetime_s=60.0)


def test_a_process_with_the_same_credentials_reads_the_token() -> None:
    assert TokenCipher(CREDENTIALS).decrypt(TokenCipher(CREDENTIALS).encrypt(TOKEN)) == TOKEN


def test_another_client_secret_reads_nothing() -> None:
    other = msgspec.structs.replace(CREDENTIALS, client_secret="other")
    assert TokenCipher(other).decrypt(TokenCipher(CREDENTIALS).encrypt(TOKEN)) is None


def test_foreign_bytes_are_no_token() -> None:
    cipher = TokenCipher(CREDENTIALS)
    assert cipher.decrypt(b"Bearer t0ken") is None
    assert cipher.decrypt(cipher._fernet.encrypt(b'{"lifetime_s":"x"}')) is None


def test_each_field_of_the_credentials_gives_another_name() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"token_url": "https://x"},
        {"client_id": "x"},
        {"client_secret": "x"},
        {"extra": (("scope", "x"),)},
    ]
    names = {TokenCipher(msgspec.structs.replace(CREDENTIALS, **change)).store_name("other") for change in changes}
    assert len(names) == 5
    assert all(name.startswith("other:") for name in names)


def test_a_stored_token_is_in_no_representation() -> None:
    assert "t0ken" not in repr(TOKEN)
