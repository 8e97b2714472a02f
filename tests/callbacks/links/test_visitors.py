import pytest

from callbacks.links.visitors import kind_of_visit
from tests.kit.links import BROWSER
from times_dispatch.provider.reports.event_kinds import EventKind


def kind(user_agent: str = BROWSER, method: str = "GET", **fields: str) -> EventKind:
    headers = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]
    return kind_of_visit(method, [(b"user-agent", user_agent.encode("latin-1")), *headers])


@pytest.mark.parametrize(
    "user_agent",
    [
        BROWSER,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1",
        "Mozilla/5.0 (Linux; U; Android 11; CUBOT Build/RP1A) AppleWebKit/537.36 Mobile Safari/537.36",
        "Opera/9.80 (J2ME/MIDP; Opera Mini/9.80/191.273; U; en) Presto/2.12.423 Version/12.16",
        "Mozilla/5.0 (KAIOS/2.5; Mobile; LYF/F90M) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
    ],
)
def test_browsers_of_phones_are_people(user_agent: str) -> None:
    assert kind(user_agent) is EventKind.CLICKED


@pytest.mark.parametrize(
    "user_agent",
    [
        "WhatsApp/2.23.20.0 A",
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "TelegramBot (like TwitterBot)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    ],
)
def test_programs_that_show_previews_are_previews(user_agent: str) -> None:
    assert kind(user_agent) is EventKind.PREVIEWED


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "curl/8.5.0",
        "python-requests/2.32.3",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0 Safari/537.36",
    ],
)
def test_other_programs_are_scanners(user_agent: str) -> None:
    assert kind(user_agent) is EventKind.SCANNED


def test_a_request_without_a_user_agent_is_a_scanner() -> None:
    assert kind_of_visit("GET", []) is EventKind.SCANNED


@pytest.mark.parametrize(
    "fields",
    [{"purpose": "prefetch"}, {"sec_purpose": "prefetch;prerender"}, {"x_moz": "Prefetch"}, {"x_purpose": "preview"}],
)
def test_browsers_that_fetch_in_advance_are_previews(fields: dict[str, str]) -> None:
    assert kind(**fields) is EventKind.PREVIEWED
    assert kind_of_visit("HEAD", [(b"purpose", b"prefetch")]) is EventKind.PREVIEWED


def test_a_request_for_the_head_only_is_a_probe() -> None:
    assert kind(method="HEAD") is EventKind.PROBED


def test_of_a_long_header_only_the_beginning_is_read() -> None:
    assert kind("Mozilla/5.0 " + "x" * 900 + " curl/8.5.0") is EventKind.SCANNED
    assert kind("Mozilla/5.0 " + "x" * 1_024 + " curl/8.5.0") is EventKind.CLICKED
