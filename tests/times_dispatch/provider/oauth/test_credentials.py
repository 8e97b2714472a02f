from times_dispatch.provider.oauth.credentials import BasicAuthentication, ClientCredentials, NoAuthentication

CREDENTIALS = ClientCredentials(
    token_url="https://sms.example/token", client_id="cid", client_secret="hush", extra=(("scope", "sms"),)
)


def test_basic_credentials_are_utf8() -> None:
    assert BasicAuthentication("शा", "ß").authorization() == "Basic 4KS24KS+OsOf"


def test_only_basic_authentication_has_a_constant_header() -> None:
    assert NoAuthentication().authorization() == CREDENTIALS.authorization() == ""


def test_no_representation_shows_a_secret() -> None:
    shown = repr(CREDENTIALS) + str(CREDENTIALS) + repr(CREDENTIALS.__rich_repr__())
    assert not [word for word in ("hush", "cid") if word in shown]
