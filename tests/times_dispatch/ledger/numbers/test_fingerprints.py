from tests.kit.ledger import CAMPAIGN, SENDER, Ledger
from times_dispatch.ledger.numbers.fingerprints import batches_that_may_hold, number_fingerprints
from times_dispatch.ledger.scripts import Script


async def test_only_batches_with_the_fingerprint_are_named(ledger: Ledger) -> None:
    await ledger.submit(2_400, batch_size=3)
    find_number = Script(ledger.redis, "find_number")
    for index in (0, 4, 1_499, 1_500, 2_399):
        matches = await batches_that_may_hold(find_number, SENDER, CAMPAIGN, batches=800, number=f"9198{index:08}")
        assert matches == [index // 3]


async def test_a_fingerprint_across_two_messages_is_no_match(ledger: Ledger) -> None:
    await ledger.submit(3)
    key = f"{{{SENDER}}}:c:{CAMPAIGN}:t:0"
    number = "919800000000"
    whole = number_fingerprints([number])
    find_number = Script(ledger.redis, "find_number")
    for stored, batches in ((b"x" + whole + b"yzz", []), (b"x" + whole + b"y" + whole, [0]), (b"zzzz" + whole, [0])):
        await ledger.redis.set(key, stored)
        assert await batches_that_may_hold(find_number, SENDER, CAMPAIGN, batches=1, number=number) == batches
