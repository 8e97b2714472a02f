import json
from collections.abc import Callable

import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes
from times_dispatch.provider.description.provider import Provider, timesmobile_post
from times_dispatch.provider.description.responses import Meaning
from times_dispatch.provider.oauth.credentials import BasicAuthentication, ClientCredentials, NoAuthentication
from times_dispatch.provider.outcomes import BrakeScope, Verdict

OTHER = """\
[providers.other]
method = "POST"
endpoint = "https://sms.example/v2/send"
encoding = "form"
{more}
[providers.other.payload]
mobile = "$$To"
message = "$$Body"
ref = "$$MessageID"
{payload}
[providers.other.answers]
code = "status"
accepted = [0]
{answers}
[senders.TIMESM]
category = "service"
"""
NO_CREDENTIALS: dict[str, str | None] = {
    f"DISPATCH_PROVIDER_TIMESMOBILE_{name}": None for name in ("USERNAME", "PASSWORD")
}
CLIENT: dict[str, str | None] = {
    "DISPATCH_PROVIDER_OTHER_CLIENT_ID": "cid",
    "DISPATCH_PROVIDER_OTHER_CLIENT_SECRET": "hunter3",
}


def other(more: str = "", *, payload: str = "", answers: str = "") -> str:
    return OTHER.format(more=more, payload=payload, answers=answers)


@pytest.fixture
def built(loaded: Loader) -> Callable[..., Provider]:
    """Load a file with the single provider *other*, and return this provider."""

    def build(more: str = "", *, payload: str = "", answers: str = "", **variables: str) -> Provider:
        settings = loaded(other(more, payload=payload, answers=answers), **NO_CREDENTIALS, **variables)
        return settings.providers["other"]

    return build


def test_a_provider_may_be_described_without_a_preset(built: Callable[..., Provider]) -> None:
    provider = built(
        'headers = { X-Channel = "bulk" }\ncustom = { route = "4" }\nproxy = "http://proxy.example:3128"\n'
        "connect_timeout_s = 2\ntotal_timeout_s = 8\nmax_connections = 50",
        payload='route = "$$route"',
    )
    assert (provider.method, provider.endpoint, provider.encoding) == ("POST", "https://sms.example/v2/send", "form")
    assert provider.payload == (
        ("mobile", "$$To"),
        ("message", "$$Body"),
        ("ref", "$$MessageID"),
        ("route", "$$route"),
    )
    assert provider.auth == NoAuthentication()
    assert (provider.headers, provider.custom) == ((("X-Channel", "bulk"),), (("route", "4"),))
    assert provider.proxy == "http://proxy.example:3128"
    assert (provider.connect_timeout_s, provider.total_timeout_s, provider.max_connections) == (2, 8, 50)


def test_credentials_that_are_not_used_are_not_needed(built: Callable[..., Provider]) -> None:
    assert built().username == ""


def test_basic_authentication_takes_username_and_password(built: Callable[..., Provider], mistakes: Mistakes) -> None:
    provider = built('auth = "basic"', DISPATCH_PROVIDER_OTHER_USERNAME="u", DISPATCH_PROVIDER_OTHER_PASSWORD="hunter3")
    assert provider.auth == BasicAuthentication("u", "hunter3")
    lines = mistakes(other('auth = "basic"'), **NO_CREDENTIALS)
    assert [line.split(": is not set")[0] for line in lines] == [
        "environment: DISPATCH_PROVIDER_OTHER_USERNAME",
        "environment: DISPATCH_PROVIDER_OTHER_PASSWORD",
    ]


def test_a_credential_is_needed_if_a_placeholder_uses_it(built: Callable[..., Provider], mistakes: Mistakes) -> None:
    assert built(payload='pw = "$$Password"', DISPATCH_PROVIDER_OTHER_PASSWORD="hunter3").password == "hunter3"
    (only,) = mistakes(other('headers = { X-User = "u $$Username" }'), **NO_CREDENTIALS)
    assert only.startswith("environment: DISPATCH_PROVIDER_OTHER_USERNAME: is not set (credentials of provider other)")


def test_further_secrets_come_from_the_environment_under_their_names(
    built: Callable[..., Provider], mistakes: Mistakes
) -> None:
    text = 'secrets = ["api_key"]\nheaders = { X-Key = "$$api_key" }'
    provider = built(text, DISPATCH_PROVIDER_OTHER_API_KEY="hunter3")
    assert provider.secrets == (("api_key", "hunter3"),)
    (only,) = mistakes(other(text), **NO_CREDENTIALS)
    assert only.startswith("environment: DISPATCH_PROVIDER_OTHER_API_KEY: is not set")


@pytest.mark.parametrize("name", ["password", "Client_ID", "endpoint", "a-b", "1st", ""])
def test_a_secret_cannot_have_a_reserved_name(mistakes: Mistakes, name: str) -> None:
    lines = mistakes(other(f'secrets = ["{name}"]'), **NO_CREDENTIALS)
    assert lines[0].startswith(f"dispatch.toml:5: providers.other.secrets.0: '{name}' cannot name a secret")


OAUTH = 'auth = "oauth2"\n[providers.other.oauth2]\ntoken_url = "https://sms.example/token"\n'


def test_oauth_takes_its_client_from_the_environment(built: Callable[..., Provider]) -> None:
    text = 'secrets = ["tenant"]\n' + OAUTH + 'extra = { scope = "sms", t = "t-$$tenant" }\ncredentials_in = "body"'
    provider = built(text, **CLIENT, DISPATCH_PROVIDER_OTHER_TENANT="hunter4")
    assert provider.auth == ClientCredentials(
        token_url="https://sms.example/token",
        client_id="cid",
        client_secret="hunter3",
        extra=(("scope", "sms"), ("t", "t-hunter4")),
        in_body=True,
    )
    assert "hunter" not in repr(provider)


def test_oauth_needs_a_client_and_a_token_url(mistakes: Mistakes) -> None:
    lines = mistakes(other(OAUTH), **NO_CREDENTIALS)
    assert [line.split(": is not set")[0] for line in lines] == [
        "environment: DISPATCH_PROVIDER_OTHER_CLIENT_ID",
        "environment: DISPATCH_PROVIDER_OTHER_CLIENT_SECRET",
    ]
    need_each_other = 'auth = "oauth2" needs [providers.NICKNAME.oauth2] with a token_url, and that table needs it'
    for text in ('auth = "oauth2"', OAUTH.replace("oauth2", "none", 1)):
        assert f"dispatch.toml:1: providers.other: {need_each_other}" in mistakes(
            other(text), **NO_CREDENTIALS, **CLIENT
        )


def test_a_secret_in_the_oauth_table_is_refused_and_not_repeated(mistakes: Mistakes) -> None:
    (only,) = mistakes(other(OAUTH + 'client_secret = "hunter5"'), **NO_CREDENTIALS, **CLIENT)
    assert only.startswith("dispatch.toml:8: providers.other.oauth2.client_secret: a secret must not be in the file")
    assert "hunter5" not in only


def test_a_json_payload_may_be_nested_tables_or_a_text(loaded: Loader) -> None:
    tables = (
        other()
        .replace('"form"', '"json"')
        .replace('mobile = "$$To"', 'to = ["$$To"]\nbody = { text = "$$Body", flash = false, priority = 1 }')
    )
    text = """\
[providers.other]
method = "POST"
endpoint = "https://sms.example/v2/send"
encoding = "json"
payload = '''
{"to": "$$To", "text": "$$Body", "ref": "$$MessageID"}
'''
answers = { http = { accepted = [200] } }
[senders.TIMESM]
category = "service"
"""
    payload = loaded(tables, **NO_CREDENTIALS).providers["other"].payload
    assert isinstance(payload, str)
    assert json.loads(payload) == {
        "to": ["$$To"],
        "body": {"text": "$$Body", "flash": False, "priority": 1},
        "message": "$$Body",
        "ref": "$$MessageID",
    }
    assert loaded(text, **NO_CREDENTIALS).providers["other"].payload == (
        '{"to": "$$To", "text": "$$Body", "ref": "$$MessageID"}\n'
    )


@pytest.mark.parametrize(
    "payload", ["payload = 5", "payload = {}", 'payload = ""', "payload = [1]", "payload.x = 2026-01-01"]
)
def test_a_payload_of_a_wrong_form_is_refused(mistakes: Mistakes, payload: str) -> None:
    text = f"""\
[providers.other]
method = "POST"
endpoint = "https://sms.example/v2/send"
encoding = "json"
{payload}
answers = {{ http = {{ accepted = [200] }} }}
[senders.TIMESM]
category = "service"
"""
    (only,) = mistakes(text, **NO_CREDENTIALS)
    assert only.startswith("dispatch.toml:5: providers.other.payload: must be a table of keys and texts, or a text")


def test_a_form_is_flat(mistakes: Mistakes) -> None:
    (only,) = mistakes(other(payload='more = ["$$To"]'), **NO_CREDENTIALS)
    assert only == "dispatch.toml:1: providers.other: the payload of a form must be a table of keys and texts"


def test_without_a_preset_the_description_must_be_complete(mistakes: Mistakes) -> None:
    text = '[providers.other]\nmethod = "POST"\n[senders.TIMESM]\ncategory = "service"\n'
    assert mistakes(text, **NO_CREDENTIALS) == [
        "dispatch.toml:1: providers.other: needs encoding, payload, answers; or a preset, which has them"
    ]


def test_settings_override_those_of_a_preset(loaded: Loader) -> None:
    text = SETTINGS_FILE.replace(
        'post"\n',
        'post"\nheaders = { ACCEPT = "*/*", X-Unit = "a" }\n'
        'answers = { rejected = [2055], brake_campaign = [2054], reasons = { 2055 = "landline" } }\n',
    )
    provider = loaded(text).providers["timesmobile"]
    plain = timesmobile_post(nickname="timesmobile", username="shop", password="hunter2")
    assert (provider.payload, provider.auth, provider.endpoint) == (plain.payload, plain.auth, plain.endpoint)
    assert provider.headers == (("Content-Type", "application/JSON"), ("ACCEPT", "*/*"), ("X-Unit", "a"))
    codes = provider.response_rules.codes
    assert (codes["2055"].verdict, codes["2055"].reason) == (Verdict.REJECTED, "landline")
    assert codes["2054"].scope is BrakeScope.CAMPAIGN
    assert codes["2070"] == plain.response_rules.codes["2070"]
    assert provider.response_rules.rest is plain.response_rules.rest is None
    assert provider.response_rules.paths == plain.response_rules.paths


def test_an_untouched_preset_is_the_preset(loaded: Loader) -> None:
    assert loaded().providers["timesmobile"] == timesmobile_post(
        nickname="timesmobile", username="shop", password="hunter2"
    )


def test_answers_are_data(built: Callable[..., Provider]) -> None:
    provider = built(
        answers="""\
id = "/data/id"
text = "data.text"
rejected = [17, "e_number"]
brake_campaign = [18]
brake_sender = [19]
brake_provider = ["020"]
throttled = [21]
in_doubt = [22]
rest = "rejected"
words = { "Invalid Mobile" = "E_NUMBER" }
numbers = { e_number = 2054 }
reasons = { 19 = "sender unknown" }
accepted_states = ["ok", true]
failed_states = ["error"]
http = { accepted = [202], throttled = [420] }
"""
    )
    rules = provider.response_rules
    assert rules.paths == {"code": "status", "id": "/data/id", "text": "data.text"}
    assert {code: (meaning.verdict, meaning.scope) for code, meaning in rules.codes.items()} == {
        "0": (Verdict.ACCEPTED, None),
        "17": (Verdict.REJECTED, None),
        "E_NUMBER": (Verdict.REJECTED, None),
        "18": (Verdict.BRAKE, BrakeScope.CAMPAIGN),
        "19": (Verdict.BRAKE, BrakeScope.SENDER),
        "20": (Verdict.BRAKE, BrakeScope.PROVIDER),
        "21": (Verdict.THROTTLED, None),
        "22": (Verdict.IN_DOUBT, None),
    }
    assert rules.codes["E_NUMBER"].number == 2054
    assert rules.codes["19"].reason == "sender unknown"
    assert rules.words == {"invalid mobile": "E_NUMBER"}
    assert rules.rest is not None
    assert rules.rest.verdict is Verdict.REJECTED
    assert rules.accepted_states | rules.failed_states == {"OK", "TRUE", "ERROR"}
    assert (rules.statuses[202].verdict, rules.statuses[420].verdict) == (Verdict.ACCEPTED, Verdict.THROTTLED)
    assert rules.statuses[401].scope is BrakeScope.PROVIDER


@pytest.mark.parametrize("code", ["-1", '"-1"', '" -01 "'])
def test_a_code_may_be_below_zero(built: Callable[..., Provider], code: str) -> None:
    rules = built(
        answers=f'rejected = [{code}]\nnumbers = {{ -1 = 2054 }}\nreasons = {{ "-1" = "no such number" }}'
    ).response_rules

    assert rules.codes["-1"] == Meaning(Verdict.REJECTED, "no such number", number=2054)


def test_a_code_in_no_group_is_in_doubt_unless_the_settings_say_otherwise(
    built: Callable[..., Provider],
) -> None:
    rest = built().response_rules.rest
    assert rest is not None
    assert rest.verdict is Verdict.IN_DOUBT
    assert built(answers='rest = "http_status"').response_rules.rest is None


@pytest.mark.parametrize(
    ("answers", "mistake"),
    [
        ("rejected = [0]", "answers: code 0 is in accepted and in rejected"),
        ("rejected = [1, true]", "answers.rejected: must be an array of codes"),
        ("rejected = [1.5]", "answers.rejected: must be an array of codes"),
        ("rejected = 17", "answers.rejected: must be an array of codes"),
        ('rejected = ["E_X"]', "answers: code E_X is not a number from 0 to 65535: give the number"),
        ("rejected = [65536]", "answers: code 65536 is not a number from 0 to 65535: give the number"),
        ("rejected = [-1]", "answers: code -1 is not a number from 0 to 65535: give the number"),
        ("numbers = { E_X = 300 }", "answers: numbers: code E_X is in no group"),
        ('reasons = { 5 = "x" }', "answers: reasons: code 5 is in no group"),
        ("rejected = [7]\nnumbers = { 7 = 99 }", "answers.numbers.7: must be at least 100, is 99"),
        ('words = { x = "9" }', "answers.words stand for code 9, which has no meaning"),
        ('pattern = "("', "answers.pattern: is not a regular expression"),
        ('pattern = "a"', "answers.pattern: needs named groups"),
        ('pattern = "(?P<cod>a)"', "answers.pattern: needs named groups"),
        ('rest = "accepted"', "answers.rest: must be in_doubt, rejected or http_status, is accepted"),
        ("http = { accepted = [2000] }", "answers.http: accepted: 2000 is not an HTTP status"),
        ('accepted_states = "OK"', "answers.accepted_states: must be an array of states"),
        ("acceptd = [1]", "answers.acceptd: there is no such setting; did you mean accepted?"),
    ],
)
def test_a_mistake_in_answers_names_its_path(mistakes: Mistakes, answers: str, mistake: str) -> None:
    (only,) = mistakes(other(answers=answers), **NO_CREDENTIALS)
    assert only.partition("providers.other")[2].removeprefix(".").removeprefix(": ").startswith(mistake)


def test_warnings_about_a_provider_are_warnings_of_the_settings(loaded: Loader) -> None:
    settings = loaded(other().replace("https", "http"), **NO_CREDENTIALS)
    (warning,) = settings.warnings
    assert warning.startswith("dispatch.toml:1: providers.other: endpoint is plain http: ")


TWO = """\
[providers.one]
preset = "timesmobile-post"
default = true
[providers.two]
preset = "timesmobile-get"
[senders.TIMESM]
category = "service"
provider = {chain}
"""
BOTH: dict[str, str | None] = {
    f"DISPATCH_PROVIDER_{name}_{part}": "x" for name in ("ONE", "TWO") for part in ("USERNAME", "PASSWORD")
}


@pytest.mark.parametrize(
    ("chain", "first", "rest"),
    [('"two"', "two", ()), ('["two"]', "two", ()), ('["two", "one"]', "two", ("one",))],
)
def test_a_sender_names_one_provider_or_several_by_priority(
    loaded: Loader, chain: str, first: str, rest: tuple[str, ...]
) -> None:
    sender = loaded(TWO.format(chain=chain), **BOTH).senders["TIMESM"]
    assert (sender.provider, sender.fallbacks) == (first, rest)


def test_a_sender_without_a_provider_has_no_fallback(loaded: Loader) -> None:
    sender = loaded(SETTINGS_FILE).senders["TIMESM"]
    assert (sender.provider, sender.fallbacks) == ("timesmobile", ())


def ten(count: int) -> str:
    providers = "".join(f'[providers.p{n}]\npreset = "timesmobile-post"\n' for n in range(count))
    names = ", ".join(f'"p{n}"' for n in range(count))
    return f'{providers}[senders.TIMESM]\ncategory = "service"\nprovider = [{names}]\n'


def credentials(count: int) -> dict[str, str | None]:
    return {f"DISPATCH_PROVIDER_P{n}_{part}": "x" for n in range(count) for part in ("USERNAME", "PASSWORD")}


def test_a_chain_has_up_to_ten_providers(loaded: Loader, mistakes: Mistakes) -> None:
    assert len(loaded(ten(10), **credentials(10)).senders["TIMESM"].chain) == 10
    (only,) = mistakes(ten(11), **credentials(11))
    assert only == "dispatch.toml:25: senders.TIMESM.provider: must name 1 to 10 providers, names 11"


@pytest.mark.parametrize(
    ("chain", "mistake"),
    [
        ('["one", "on"]', "provider.1: there is no provider on; did you mean one?"),
        ('["one", "one"]', "provider: names a provider twice"),
        ("[]", "provider: must name 1 to 10 providers, names 0"),
        ('["one", 2]', "provider: must be a nickname in quotes, or an array of them"),
        ("5", "provider: must be a nickname in quotes, or an array of them"),
    ],
)
def test_a_mistake_in_a_chain_names_its_path(mistakes: Mistakes, chain: str, mistake: str) -> None:
    (only,) = mistakes(TWO.format(chain=chain), **BOTH)
    assert only == f"dispatch.toml:8: senders.TIMESM.{mistake}"
