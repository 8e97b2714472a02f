from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from times_dispatch.ledger.lanes.shares import cap_shares, rate_shares, too_low


@given(st.decimals(min_value="0.01", max_value=1_000_000, places=4), st.integers(1, 16))
def test_shares_add_up_to_the_rate_exactly(rate: Decimal, lanes: int) -> None:
    shares = rate_shares(float(rate), lanes)
    assert len(shares) == lanes
    assert sum(Decimal(str(share)) for share in shares) == rate
    assert max(shares) - min(shares) <= 0.000_001_1
    assert min(shares) > 0, "a share of 0 would be no limit"


def test_no_lane_has_a_limit_if_the_sender_has_none() -> None:
    assert rate_shares(0, 3) == [0.0, 0.0, 0.0]


def test_each_of_several_lanes_needs_twenty_a_second() -> None:
    assert [too_low(rate, 4) for rate in (0, 79.9, 80)] == [False, True, False]
    assert not too_low(1, 1)


@given(st.integers(16, 10**9), st.integers(1, 16))
def test_shares_add_up_to_the_daily_cap_exactly(max_parts: int, lanes: int) -> None:
    shares = cap_shares(max_parts, lanes)
    assert (len(shares), sum(shares)) == (lanes, max_parts)
    assert max(shares) - min(shares) <= 1


def test_no_lane_of_a_sender_with_a_daily_cap_is_without_a_cap() -> None:
    assert cap_shares(0, 3) == [0, 0, 0]
    assert cap_shares(1, 3) == [1, 1, 1]
