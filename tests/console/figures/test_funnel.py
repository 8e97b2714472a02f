from itertools import pairwise

from console.figures.code_words import CodeBook
from console.figures.funnel import funnel_of
from tests.kit.console import sent_campaign
from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.model import CampaignId
from times_dispatch.ledger.statistics.figures import statistics_of
from times_dispatch.ledger.statistics.rollups import StatisticsReader
from times_dispatch.settings.model import Settings


async def test_losses_between_two_stages_are_their_difference(ledger: Ledger) -> None:
    await sent_campaign(ledger, messages=80)
    statistics = statistics_of(await StatisticsReader(ledger.redis).campaign(SENDER, CampaignId(CAMPAIGN)))
    codes = CodeBook(Settings(redis_url="", broker_url="")).words(statistics.codes)
    stages = funnel_of(await ledger.view(), statistics, codes)
    assert [stage.name for stage in stages] == ["Accepted", "Sent", "Delivered", "Clicked"]
    for stage, following in pairwise(stages[:3]):
        assert stage.messages - sum(loss.messages for loss in stage.losses) == following.messages
    reasons = [loss.reason for loss in stages[0].losses]
    assert "rejected: invalid mobile number (2054)" in reasons
    assert "suppressed: on the opt-out list (31)" in reasons
    assert any(loss.reason == "awaiting a report" and loss.is_open for loss in stages[1].losses)
