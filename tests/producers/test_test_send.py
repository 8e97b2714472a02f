import asyncio

import pytest
from redis.asyncio import Redis

from producers.errors import InputInvalid
from producers.test_send import SendTestMessage, SendTestRequest, prepare, wait_for_report
from tests.kit.clock import FakeClock
from tests.kit.producers import SETTINGS, WriteFile
from times_dispatch.ledger.reports.test_sends import SendTestReport, SendTestReports
from times_dispatch.settings.load import Need, load
from times_dispatch.settings.model import Settings

REQUEST = SendTestRequest(number="+919876543210", message="We are closed tomorrow. - TIMESM", template="plain")


@pytest.fixture
def sending(write: WriteFile) -> Settings:
    """Settings with the key of the ids."""
    path = write("dispatch.toml", SETTINGS)
    return load(path, {"DISPATCH_ID_KEY": "0123456789abcdef"}, need=frozenset({Need.IDS}))


@pytest.fixture
def message(sending: Settings) -> SendTestMessage:
    return prepare(REQUEST, sending)


def test_a_request_does_not_show_its_number_and_text() -> None:
    assert repr(REQUEST) == "SendTestRequest(sender='', template='plain', provider='')"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *[
            (number, "91")
            for number in ("9876543210", "098765-43210", "919876543210", "+919876543210", "0091 9876543210")
        ],
        *[(number, "91") for number in ("tel:+91-98765-43210", "whatsapp:9876543210", "९८७६५४३२१०", "'9876543210 (M)")],
        *[("9876543210", code) for code in ("", "+91", " 0091", "९१")],
    ],
)
def test_a_number_is_read_as_in_a_recipients_file(sending: Settings, number: str, code: str) -> None:
    request = SendTestRequest(number=number, message="x", country_code=code)
    assert prepare(request, sending).push.to == "919876543210"


@pytest.mark.parametrize(
    ("number", "code", "complaint"),
    [
        ("08041234567", "91", "the number is a landline, not a mobile number"),
        ("9876543210 / 9876543211", "91", "the number holds more than one number: give each its own row"),
        ("+14155552671", "91", "the number has another country code than 91"),
        (
            "4155552671",
            "1",
            (
                "the number is a number of another country: a header of the DLT reaches India only; "
                "foreign_numbers = true of sender TIMESM allows it"
            ),
        ),
    ],
)
def test_a_number_that_a_recipients_file_may_not_hold_gets_no_test_message(
    sending: Settings, number: str, code: str, complaint: str
) -> None:
    with pytest.raises(InputInvalid) as refused:
        prepare(SendTestRequest(number=number, message="x", country_code=code), sending)
    assert str(refused.value) == complaint


def test_a_sender_that_may_reach_other_countries_sends_test_messages_there(write: WriteFile) -> None:
    path = write("dispatch.toml", SETTINGS.replace("[senders.TIMESM]", "[senders.TIMESM]\nforeign_numbers = true"))
    settings = load(path, {"DISPATCH_ID_KEY": "0123456789abcdef"}, need=frozenset({Need.IDS}))
    request = SendTestRequest(number="4155552671", message="x", country_code="1")
    assert prepare(request, settings).push.to == "14155552671"


def test_empty_fields_are_chosen_from_the_settings(message: SendTestMessage) -> None:
    assert (message.push.sender, message.provider.nickname, message.template) == ("TIMESM", "tm", "plain")
    assert message.matches_template


async def test_waiting_for_a_report_ends_with_the_timeout(message: SendTestMessage, redis: Redis) -> None:
    clock = FakeClock(auto=True)

    assert await wait_for_report(redis, message, timeout_s=1, clock=clock) is None

    assert clock.slept == [0.2] * len(clock.slept)
    assert 5 <= len(clock.slept) <= 6  # 0.2 is no exact binary fraction


async def test_an_intermediate_report_is_not_the_end(message: SendTestMessage, redis: Redis) -> None:
    reports, clock = SendTestReports(redis), FakeClock()
    await reports.add([(message.index, SendTestReport("intermediate", 0, 1_795_300_000))])
    waiting = asyncio.create_task(wait_for_report(redis, message, timeout_s=60, clock=clock))
    async with asyncio.timeout(30):
        while not clock.slept:
            await asyncio.sleep(0)
    final = SendTestReport("delivered", 0, 1_795_300_001)
    await reports.add([(message.index, final)])

    await clock.advance(0.2)

    assert await waiting == final


@pytest.mark.parametrize(
    ("name", "refusals"),
    [
        ("Asha", []),
        ("evil.ru", ["variable 1 holds a link that is not whitelisted"]),
        ("NULL", ["variable 1 holds a word for no value"]),
        ("", ["variable 1 is empty"]),
        ("#N/A", ["variable 1 holds #N/A, the error of a lookup that found nothing"]),
        ("{name}", ["variable 1 holds a placeholder that nobody filled"]),
    ],
)
def test_a_message_names_what_a_campaign_with_it_is_refused_for(
    sending: Settings, name: str, refusals: list[str]
) -> None:
    text = f"Dear {name}, your bill is Rs 5. - TIMESM"
    request = SendTestRequest(number="+919876543210", message=text, template="bill")

    assert list(prepare(request, sending).refusals) == refusals


def test_a_text_that_is_not_whitelisted_is_a_refusal(write: WriteFile) -> None:
    table = '[templates.new]\nsender = "TIMESM"\ncontent_id = "1107000000000000003"\ntext = "See evil.ru. - TIMESM"\n'
    settings = load(
        write("dispatch.toml", SETTINGS + table), {"DISPATCH_ID_KEY": "0123456789abcdef"}, need=frozenset({Need.IDS})
    )
    request = SendTestRequest(number="+919876543210", message="See evil.ru. - TIMESM", template="new")

    assert prepare(request, settings).refusals == ("the text links to evil.ru, which is not whitelisted",)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Dear {name}. - TIMESM", "the text contains {name}, which looks like a placeholder that nothing fills"),
        ("Dear ##name##. - TIMESM", "the text contains ##name##, which looks like a placeholder that nothing fills"),
        ("Dear Ren\ufffde. - TIMESM", "the text holds"),
    ],
)
def test_a_registered_text_with_which_no_campaign_is_sent_is_a_refusal(
    write: WriteFile, text: str, refusal: str
) -> None:
    table = f'[templates.new]\nsender = "TIMESM"\ncontent_id = "1107000000000000003"\ntext = "{text}"\n'
    settings = load(
        write("dispatch.toml", SETTINGS + table), {"DISPATCH_ID_KEY": "0123456789abcdef"}, need=frozenset({Need.IDS})
    )
    request = SendTestRequest(number="+919876543210", message=text, template="new")

    [found] = prepare(request, settings).refusals
    assert found.startswith(refusal)
