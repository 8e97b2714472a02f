from times_dispatch.links.codes import MAX_INDEX, LinkCodes, placeholder
from times_dispatch.links.filler import LinkFiller

CODES = LinkCodes(b"a link key of enough bytes", "TIMESM")
PREFIX = "go.brand.in/TIMESM/"
FILLER = LinkFiller(CODES, number=3, prefix=PREFIX, links=2)


def test_each_link_gets_the_code_of_its_message() -> None:
    values = ["Asha", f"see {PREFIX}{placeholder(1)} now", PREFIX + placeholder(0)]

    assert FILLER.fill(values, 9) == [
        "Asha",
        f"see {PREFIX}{CODES.make(3, 9, 1)} now",
        PREFIX + CODES.make(3, 9, 0),
    ]


def test_filled_values_are_as_long_as_the_values_before() -> None:
    values = [PREFIX + placeholder(0)]
    assert list(map(len, FILLER.fill(values, 9))) == list(map(len, values))


def test_a_link_that_the_campaign_does_not_have_stays() -> None:
    assert FILLER.fill([PREFIX + placeholder(2)], 9) == [PREFIX + placeholder(2)]


def test_the_same_message_of_another_lane_gets_another_code() -> None:
    of_lane = LinkFiller(CODES, number=3, prefix=PREFIX, links=1, lane=2, lanes=4)
    assert of_lane.fill([PREFIX + placeholder(0)], 9) == [PREFIX + CODES.make(3, MAX_INDEX - (9 * 4 + 2), 0)]
