"""Delivery reports: from the first POST to the last report applied, and every 200 only after Redis has it."""

import json
import time
from collections.abc import Callable

from benchmarks import accepted, poster
from benchmarks.figures import Figure
from benchmarks.house import House, sender_names
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.ids import CorrelationIds

ALONE = 40_000
MANY = 500_000
PER_POST = 100
_ENDPOINT = "http://127.0.0.1:9/"  # nothing is pushed


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure reports that come alone, then by the hundred; then what the ledger needs."""
    (sender,) = sender_names(1)
    with House(_ENDPOINT, [sender], workers=0) as house:
        say(f"{ALONE:,} reports, one per POST")
        alone, alone_us, _ = _post(house, sender, ALONE, per_post=1)
        say(f"{MANY:,} reports, {PER_POST} per POST")
        many, many_us, redis_bytes = _post(house, sender, MANY, per_post=PER_POST)
    return [
        Figure(name="reports, one per POST", value=alone, unit="/s", must=4_000, aim=8_000, note=_costs(alone_us)),
        Figure(
            name=f"reports, {PER_POST} per POST", value=many, unit="/s", must=40_000, aim=100_000, note=_costs(many_us)
        ),
        Figure(
            name="ledger after all reports", value=redis_bytes, unit="bytes/message", better="less", must=64, aim=40
        ),
    ]


def _post(house: House, sender: SenderId, messages: int, *, per_post: int) -> tuple[float, dict[str, float], float]:
    redis = house.redis
    before = int(redis.info("memory")["used_memory"])
    campaign = house.ask(lambda ledger: accepted.write(ledger, sender, messages, payloads=True))
    bodies = house.stack.folder / "bodies"
    ids = CorrelationIds(house.stack.environment["DISPATCH_ID_KEY"].encode())
    poster.write(bodies, ids, campaign, messages, per_post=per_post)
    meter = house.meter()
    posting = poster.start(house.stack.postback_url, bodies)
    house.wait(lambda: _unreported(house, sender, campaign) == 0 or posting.poll() not in {None, 0}, every_s=0.05)
    ended = time.monotonic()
    said = json.loads(posting.communicate(timeout=60)[0])
    if said["refused"] or said["taken"] * per_post < messages:
        raise AssertionError(f"not every POST was taken: {said}")
    used = meter.cpu_s()
    per_message = (int(redis.info("memory")["used_memory"]) - before) / messages
    rate = messages / (ended - said["began"])
    return rate, {name: seconds / messages * 1e6 for name, seconds in used.items()}, per_message


def _unreported(house: House, sender: SenderId, campaign: CampaignId) -> int:
    return int(house.redis.hget(campaign_key(sender, campaign), MessageState.ACCEPTED.value) or 0)


def _costs(cpu_us: dict[str, float]) -> str:
    costs = sorted(cpu_us.items(), key=lambda item: -item[1])
    return "CPU µs/report: " + ", ".join(f"{name} {us:.1f}" for name, us in costs if us >= 0.1)
