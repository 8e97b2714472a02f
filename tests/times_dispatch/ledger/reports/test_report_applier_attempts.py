"""Delivery reports about an earlier or a later attempt of a message that was sent again."""

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.leases import Lease
from times_dispatch.ledger.reports.report_applier import DeliveryReport, ReportEffect
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader

A, D, S, U = ReportEffect.APPLIED, ReportEffect.DUPLICATE, ReportEffect.STALE, ReportEffect.UNKNOWN


async def _resent(ledger: Ledger) -> Lease:
    """A campaign of one message that was in doubt and is being sent with its second id."""
    await ledger.submit(1)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    lease = await ledger.take()
    assert (await ledger.open(lease)).messages == [(0, 1)]
    return lease


async def test_a_failure_of_an_older_attempt_does_nothing(ledger: Ledger) -> None:
    await _resent(ledger)
    assert await ledger.report("failed", attempt=0) == [S]
    assert await ledger.states() == "s"
    assert (await ledger.view()).codes == {}


async def test_a_delivery_of_an_older_attempt_counts(ledger: Ledger) -> None:
    await _resent(ledger)
    assert await ledger.report("delivered", attempt=0) == [A]
    assert await ledger.states() == "d"
    assert await ledger.report("delivered", attempt=1) == [D]


async def test_a_message_whose_second_attempt_was_suppressed_is_given_up_and_reports_of_the_first_decide(
    ledger: Ledger,
) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.send_all(b"u")
    assert await ledger.states() == "gg"
    assert (await ledger.view()).codes == {"suppressed:31": 2}
    assert await ledger.report("delivered", index=0, attempt=0) == [A]
    assert await ledger.report("failed", index=1, attempt=0) == [A]
    assert await ledger.states() == "df"
    assert (await ledger.view()).codes == {"report:901": 1}


async def test_a_message_whose_first_attempt_was_delivered_is_not_sent_again(ledger: Ledger) -> None:
    await ledger.submit(2)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.report("delivered", index=0, attempt=0)
    assert (await ledger.open(await ledger.take())).messages == [(1, 1)]


async def test_a_failure_of_the_last_attempt_counts(ledger: Ledger) -> None:
    await _resent(ledger)
    assert await ledger.report("failed", attempt=1) == [A]
    assert await ledger.states() == "f"


async def _visit(ledger: Ledger) -> ReportEffect:
    """Let the recipient of the only message visit a tracked link, which names no attempt."""
    [effect] = await ledger.report_applier.apply(
        [DeliveryReport(CAMPAIGN, 0, 0, "clicked", 0, 1, visit="ab-1", link=1)]
    )
    return effect


async def _parts(ledger: Ledger) -> int:
    return statistics_of(await StatisticsReader(ledger.redis).campaign(SENDER, CAMPAIGN)).parts


async def test_a_visit_of_a_link_counts_the_parts_of_no_attempt_if_several_were_pushed(ledger: Ledger) -> None:
    lease = await _resent(ledger)
    await ledger.leases.release(lease)  # the second attempt is in doubt, too
    assert await _visit(ledger) is A
    assert (await ledger.states(), await _parts(ledger)) == ("a", 0)
    assert [message.record.attempt for message in await ledger.messages()] == [1]
    assert await ledger.report("failed", attempt=0) == [S]
    assert await ledger.report("delivered", attempt=1) == [A]
    assert await _parts(ledger) == 2  # each report proves its attempt


async def test_a_visit_of_a_link_after_the_accepted_second_attempt_does_not_prove_the_first(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    await ledger.send_all(b"a")
    assert await _visit(ledger) is D
    assert (await ledger.states(), await _parts(ledger)) == ("a", 1)


async def test_a_visit_of_a_link_before_the_second_attempt_proves_the_first(ledger: Ledger) -> None:
    await ledger.submit(1)
    await ledger.send_all(b"i")
    await ledger.control.resolve(SENDER, CAMPAIGN, "resend")
    assert await _visit(ledger) is A
    assert (await ledger.states(), await _parts(ledger)) == ("a", 1)
    assert [message.record.attempt for message in await ledger.messages()] == [0]
