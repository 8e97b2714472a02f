import pytest

from times_dispatch.provider.description.provider import Provider, ProviderInvalid, timesmobile_get, timesmobile_post
from times_dispatch.provider.description.responses import HTTP_STATUSES, Meaning, ResponseRules
from times_dispatch.provider.description.validation import needed_of_campaigns, notes, problems, warnings
from times_dispatch.provider.oauth.credentials import BasicAuthentication, ClientCredentials, NoAuthentication
from times_dispatch.provider.outcomes import Verdict
from times_dispatch.provider.request.payload import Payload

TAKEN = {"1": Meaning(Verdict.ACCEPTED, "taken")}
OAUTH = ClientCredentials(token_url="https://sms.example/token", client_id="i-secret", client_secret="p-secret")


def provider(**changes: object) -> Provider:
    given: dict[str, object] = {
        "nickname": "other",
        "method": "POST",
        "endpoint": "https://sms.example/send",
        "encoding": "form",
        "payload": (("mobile", "$$To"), ("message", "$$Body"), ("ref", "$$MessageID")),
    }
    return Provider(**(given | changes))  # type: ignore[arg-type]


def rules(**given: object) -> ResponseRules:
    return ResponseRules(statuses=HTTP_STATUSES, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"endpoint": "ftp://sms.example/send"}, "endpoint must be an http"),
        ({"endpoint": "sms.example/send"}, "endpoint must be an http"),
        ({"endpoint": ""}, "endpoint must be an http"),
        ({"endpoint": "https:///send"}, "endpoint must be an http"),
        ({"endpoint": "https://sms.example/se\x00nd"}, "endpoint must be an http"),
        ({"endpoint": "https://sms.example/send\r\nX: y"}, "endpoint must be an http"),
        ({"endpoint": "https://sms.example/se nd"}, "endpoint must be an http"),
        ({"endpoint": "https://sms.example:99999/send"}, "endpoint must be an http"),
        ({"endpoint": "https://p-secret:x@sms.example/send"}, "endpoint must not hold credentials"),
        ({"endpoint": "https://sms.example/send#here"}, "endpoint must hold neither #"),
        ({"endpoint": "https://sms.example/send?to=$$To"}, "endpoint must hold neither #"),
        ({"proxy": "localhost:8080"}, "proxy must be an http"),
        (
            {"auth": ClientCredentials(token_url="x", client_id="", client_secret="")},
            "oauth2.token_url must be an http",
        ),
        ({"headers": (("X Key", "v"),)}, "header 'X Key'"),
        ({"headers": (("X-Key", "p-secret\r\nEvil: 1"),)}, "header X-Key: the value"),
        ({"headers": (("X-Key", "p-secret ₹"),)}, "header X-Key: the value"),
        ({"headers": (("X-Key", "$$Password"),), "password": "p-secret\n"}, "header X-Key: the value"),
        ({"headers": (("X-Key", "$$key"),), "secrets": (("key", "p-secret é"),)}, "header X-Key: the value"),
        ({"headers": (("Content-Length", "5"),)}, "header Content-Length: the client itself writes"),
        ({"headers": (("AUTHORIZATION", "x"),), "auth": BasicAuthentication("u", "p")}, "header AUTHORIZATION: auth"),
        ({"headers": (("Authorization", "x"),), "auth": OAUTH}, "header Authorization: auth writes it"),
        ({"method": "GET"}, "a GET carries its payload in the query"),
        ({"payload": (("message", "$$Body"),)}, "the payload needs $$To"),
        ({"payload": (("mobile", "$$Tom"), ("message", "$$Body"))}, "the payload needs $$To"),
        ({"payload": (("mobile", "$$To"),)}, "the payload needs $$Body or $$TemplateID"),
        ({"payload": '{"a": "$$To $$Body"}'}, "the payload of a form must be a table"),
        ({"payload": '{"a": $$To}', "encoding": "json"}, "the payload is not JSON: expecting value in line 1; write"),
        ({"payload": '{"$$To": "$$To $$Body"}', "encoding": "json"}, "the payload's key '$$To'"),
        ({"payload": '{"a": "$$Body"}', "encoding": "json"}, "the payload needs $$To"),
        ({"payload": (("x", '{"$$To": "$$Body"}'),)}, "the payload's key '$$To'"),
        ({"payload": '{"x": "{\\"$$To\\": \\"$$Body\\"}"}', "encoding": "json"}, "the payload's key '$$To'"),
        ({"payload": (("xml", "<to>$$To</to><m>$$Body</m>"),)}, "payload.xml: $$Body is inside XML or HTML"),
        ({"payload": (("xml", "<sms to='$$To' text='$$Body'/>"),)}, "payload.xml: $$Body is inside XML or HTML"),
        ({"payload": (("xml", "<![CDATA[$$To $$Body]]>"),)}, "payload.xml: $$Body is inside XML or HTML"),
        (
            {"payload": '{"a": "$$To", "b": {"xml": "<m>$$Body</m>"}}', "encoding": "json"},
            "payload.xml: $$Body is inside XML or HTML",
        ),
        ({"payload": (("j", '{"to":"$$To","x":"<m>$$Body</m>"}'),)}, "payload.j.x: $$Body is inside XML or HTML"),
        ({"headers": (("X-Data", "<n>$$name</n>"),)}, "headers.X-Data: $$name is inside XML or HTML"),
        ({"payload": (("j", '{"to": $$To, "m": "$$Body"}'),)}, "payload.j: $$Body is inside a piece of JSON"),
        ({"payload": (("j", 'send({"to":"$$To","m":"$$Body"})'),)}, "payload.j: $$Body is inside a piece of JSON"),
        ({"custom": (("a-b", "x"),)}, "custom.a-b: a name is"),
        ({"custom": (("Body", "x"),)}, "custom.Body: $$Body has a meaning"),
        ({"secrets": (("Password", "x"),)}, "custom.Password: $$Password has a meaning"),
        ({"response_rules": rules()}, "answers must say what is accepted"),
        ({"response_rules": rules(codes=TAKEN)}, "answers name codes, but not where to find them"),
        ({"response_rules": rules(codes=TAKEN, words={"ok": "2"})}, "answers.words stand for code 2"),
        ({"connect_timeout_s": 0}, "connect_timeout_s"),
        ({"connect_timeout_s": 15.1}, "connect_timeout_s"),
        ({"max_connections": 0}, "max_connections"),
    ],
)
def test_a_setting_that_cannot_work_is_named_without_its_secrets(changes: dict[str, object], problem: str) -> None:
    found = problems(provider(**changes))
    assert [sentence for sentence in found if sentence.startswith(problem)]
    assert "secret" not in " ".join(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": (("mobile", "$$To"), ("template", "$$TemplateID"), ("ref", "$$MessageID"))},
        {"payload": (("to", "<to>$$To</to>"), ("m", '<#> $$Body [$$To] {$$Body} "$$Body": x'), ("ref", "$$MessageID"))},
        {"payload": (("j", '{"to":"$$To","m":"$$Body","ref":"$$MessageID"}'),)},
        {"encoding": "query", "method": "GET"},
        {"encoding": "query", "method": "POST"},
        {"encoding": "json", "auth": NoAuthentication()},
        {"encoding": "json", "payload": '[{"to": ["$$To"], "text": "$$Body", "ref": "$$MessageID"}]'},
        {"auth": OAUTH},
        {"auth": BasicAuthentication("u", "p"), "headers": (("X-Key", "a, b"),)},
        {"headers": (("Authorization", "ApiKey $$key"),), "secrets": (("key", "k"),)},
        {"response_rules": rules(accepted_states=frozenset({"OK"}))},
        {"response_rules": rules(codes=TAKEN, paths={"code": "code"})},
        {"response_rules": rules(codes=TAKEN, pattern="(?P<code>1)")},
        {"response_rules": rules(codes=TAKEN, words={"ok": "1"})},
        {"response_rules": ResponseRules(statuses={200: TAKEN["1"]})},
        {"connect_timeout_s": 15.0},
        {"max_connections": 1},
        {"endpoint": "http://[::1]:8080/send?channel=1"},
    ],
)
def test_a_provider_that_can_work_is_accepted(changes: dict[str, object]) -> None:
    assert problems(provider(**changes)) == []
    assert warnings(provider(**changes)) == []


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ProviderInvalid, match=r"^provider other: .*\$\$To.*max_connections") as caught:
        Payload(provider(payload=(), max_connections=0))
    assert len(caught.value.problems) == 3


CONSTANT = (("mobile", "$$To"), ("message", "$$Body"))


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"payload": CONSTANT}, "the payload has no $$MessageID"),
        ({"endpoint": "http://sms.example/send"}, "endpoint is plain http"),
        ({"endpoint": "http://192.168.1.5/send"}, "endpoint is plain http"),
        (
            {"auth": ClientCredentials(token_url="http://sms.example/t", client_id="i", client_secret="p")},
            "oauth2.token_url is plain http",
        ),
        (
            {"endpoint": "https://bsms.timesapi.in/CT/api/v1/message"},
            "endpoint: the path is /CT/api/v1/message, Times Mobile's is /ct/api/v1/message, and case counts",
        ),
        (
            {"endpoint": "https://bsms.timesapi.in/ct/api/v1/send"},
            "endpoint: the path is /ct/api/v1/send, and Times Mobile takes a POST at /ct/api/v1/message",
        ),
        ({"payload": (*CONSTANT, ("ref", "$$MessageId"))}, "$$MessageId is taken for a custom key-value; did you mean"),
        ({"payload": (*CONSTANT, ("x", "$$to"))}, "$$to is taken for a custom key-value; did you mean $$To?"),
        ({"payload": (*CONSTANT, ("x", "$$TemplateVariable"))}, "$$TemplateVariable is taken"),
        ({"custom": (("route", "4"),)}, "custom.route: $$route is used neither in the payload nor in a header"),
        ({"payload": (*CONSTANT, ("apiKey", "p-secret"))}, "payload.apiKey: looks like a secret"),
        (
            {"payload": '{"x": "$$To $$Body", "auth": {"token": "p-secret"}}', "encoding": "json"},
            "payload.token: looks like a secret",
        ),
        ({"headers": (("X-Auth-Token", "p-secret"),)}, "headers.X-Auth-Token: looks like a secret"),
    ],
)
def test_a_setting_that_is_probably_a_mistake_is_a_warning(changes: dict[str, object], warning: str) -> None:
    found = warnings(provider(**changes))
    assert [sentence for sentence in found if sentence.startswith(warning)]
    assert "p-secret" not in " ".join(found)
    assert problems(provider(**changes)) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8086/send",
        "http://127.1.2.3/send",
        "http://localhost/send",
        "http://sms.localhost/send",
        "http://[::1]/send",
        "https://sms.example/Send",
    ],
)
def test_loopback_may_be_plain_http(endpoint: str) -> None:
    assert warnings(provider(endpoint=endpoint)) == []


@pytest.mark.parametrize(
    "preset",
    [
        timesmobile_post(nickname="tm", username="u", password="p"),
        timesmobile_get(nickname="tm", username="u", password="p"),
        timesmobile_post(nickname="tm", username="u", password="p", endpoint="https://proxy.example/times"),
    ],
)
def test_a_preset_has_no_warning(preset: Provider) -> None:
    assert problems(preset) == warnings(preset) == notes(preset) == []


def test_custom_key_values_without_a_value_are_for_campaigns_to_give() -> None:
    described = provider(
        payload=(*CONSTANT, ("a", "$$route"), ("b", "$$points $$route $$key")),
        headers=(("X-Unit", "$$unit"),),
        custom=(("points", "0"),),
        secrets=(("key", "k"),),
    )
    assert needed_of_campaigns(described) == ["route", "unit"]
    assert notes(described) == ["every campaign must give $$route, $$unit under [custom]"]


def test_capitals_in_a_path_are_noted() -> None:
    assert notes(provider(endpoint="https://sms.example/API/send")) == [
        "the path /API/send is sent as it is written: endpoints are case-sensitive"
    ]
