"""Delivery reports: from the first POST to the last applied report; a POST is answered after Redis has the body."""

import json
import time
from collections.abc import Callable

from benchmarks import accepted_campaign, report_poster
from benchmarks.figures import Figure
from benchmarks.rig import BenchmarkRig, sender_names
from times_dispatch.ledger.keys import campaign_key
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.states import MessageState
from times_dispatch.provider.correlation_ids import CorrelationIds

SINGLE_REPORTS = 40_000
GROUPED_REPORTS = 500_000
PER_POST = 100
_ENDPOINT = "http://127.0.0.1:9/"  # nothing is pushed


def figures(say: Callable[[str], None]) -> list[Figure]:
    """Measure one report per POST, then a hundred per POST; then the memory of the ledger."""
    (sender,) = sender_names(1)
    with BenchmarkRig(_ENDPOINT, [sender], workers=0) as rig:
        say(f"{SINGLE_REPORTS:,} reports, one per POST")
        alone, alone_us, _ = _post(rig, sender, SINGLE_REPORTS, per_post=1)
        say(f"{GROUPED_REPORTS:,} reports, {PER_POST} per POST")
        many, many_us, redis_bytes = _post(rig, sender, GROUPED_REPORTS, per_post=PER_POST)
    return [
        Figure(name="reports, one per POST", value=alone, unit="/s", must=4_000, aim=8_000, note=_costs(alone_us)),
        Figure(
            name=f"reports, {PER_POST} per POST", value=many, unit="/s", must=40_000, aim=100_000, note=_costs(many_us)
        ),
        Figure(
            name="ledger after all reports", value=redis_bytes, unit="bytes/message", better="less", must=64, aim=40
        ),
    ]


def _post(
    rig: BenchmarkRig, sender: SenderId, messages: int, *, per_post: int
) -> tuple[float, dict[str, float], float]:
    redis = rig.redis
    before = int(redis.info("memory")["used_memory"])
    campaign = rig.run_on_ledger(lambda ledger: accepted_campaign.write(ledger, sender, messages, payloads=True))
    bodies = rig.stack.folder / "bodies"
    ids = CorrelationIds(rig.stack.environment["DISPATCH_ID_KEY"].encode())
    report_poster.write(bodies, ids, campaign, messages, per_post=per_post)
    meter = rig.meter()
    posting = report_poster.start(rig.stack.postback_url, bodies)
    rig.wait(lambda: _unreported(rig, sender, campaign) == 0 or posting.poll() not in {None, 0}, every_s=0.05)
    ended = time.monotonic()
    result = json.loads(posting.communicate(timeout=60)[0])
    if result["refused"] or result["accepted"] * per_post < messages:
        raise AssertionError(f"not every POST was accepted: {result}")
    used = meter.cpu_s()
    per_message = (int(redis.info("memory")["used_memory"]) - before) / messages
    rate = messages / (ended - result["began"])
    return rate, {name: seconds / messages * 1e6 for name, seconds in used.items()}, per_message


def _unreported(rig: BenchmarkRig, sender: SenderId, campaign: CampaignId) -> int:
    return int(rig.redis.hget(campaign_key(sender, campaign), MessageState.ACCEPTED.value) or 0)


def _costs(cpu_us: dict[str, float]) -> str:
    costs = sorted(cpu_us.items(), key=lambda item: -item[1])
    return "CPU µs/report: " + ", ".join(f"{name} {us:.1f}" for name, us in costs if us >= 0.1)
