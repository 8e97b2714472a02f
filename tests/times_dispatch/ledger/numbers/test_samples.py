from datetime import UTC, datetime, timedelta

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER, Ledger, plan
from times_dispatch.ledger.numbers.samples import KEPT, MAX_HASHES, NumberSample, NumberSamples


def sample_of(first: int, count: int) -> NumberSample:
    sample = NumberSample()
    for start in range(first, first + count, 1_000):
        sample.add([str(919_000_000_000 + n) for n in range(start, min(start + 1_000, first + count))])
    return sample


@pytest.mark.parametrize(
    ("earlier", "later", "share"),
    [
        ((0, 1), (0, 1), 1.0),
        ((0, 4), (2, 4), 0.5),
        ((0, 40_000), (0, 40_000), 1.0),
        ((0, 40_000), (20_000, 40_000), 0.5),
        ((0, 40_000), (40_000, 40_000), 0.0),
        ((0, 40_000), (0, 20_000), 1.0),
        ((0, 20_000), (0, 40_000), 0.5),
    ],
)
async def test_the_share_of_equal_numbers_is_found(
    ledger: Ledger, earlier: tuple[int, int], later: tuple[int, int], share: float
) -> None:
    samples, now = NumberSamples(ledger.redis), datetime.now(UTC)
    await samples.keep(CAMPAIGN, plan(), sample_of(*earlier), now)

    [kept] = await samples.recent(SENDER, now)

    assert (kept.id, kept.name, kept.template) == (CAMPAIGN, plan().name, plan().template)
    assert len(kept.packed_hashes) == 4 * min(MAX_HASHES, earlier[1])
    assert kept.share_of(sample_of(*later).hashes()) == pytest.approx(share, abs=0.06)


async def test_a_sample_is_kept_for_three_days(ledger: Ledger) -> None:
    samples, now = NumberSamples(ledger.redis), datetime.now(UTC)
    await samples.keep(CAMPAIGN, plan(), sample_of(0, 3), now)
    await samples.keep(CAMPAIGN, plan(), sample_of(0, 3), now)

    assert len(await samples.recent(SENDER, now + KEPT - timedelta(minutes=1))) == 1
    assert await samples.recent(SENDER, now + KEPT + timedelta(minutes=1)) == []
    assert 0 < await ledger.redis.ttl(f"{{{SENDER}}}:c:{CAMPAIGN}:number_sample") <= KEPT.total_seconds()
