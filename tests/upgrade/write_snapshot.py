"""``python -m tests.upgrade.write_snapshot``: lets the last release send half a campaign, and copies its ledger.

The file is written once for each release and committed, so that clones without a history have it too. The copy contains
a finished campaign, a half-sent campaign and a paused campaign; reports, clicks and replies that wait in the stream,
some of them claimed by a reconciler that was killed; open messages of a killed worker; a dead letter; and reports of
another system that wait for a relay.
"""

import asyncio
import sys
from pathlib import Path

import httpx
from redis import Redis

import times_dispatch.demo
from tests.kit.command_line import show, submit
from tests.kit.waiting import wait_until
from tests.upgrade.old_tree import missing, old_tree
from tests.upgrade.snapshot import Acceptance, Snapshot, copy_keys, write
from tests.upgrade.stack import MixedStack, Version
from times_dispatch.demo import recipients
from times_dispatch.demo.comparison import fetch_books
from times_dispatch.demo.processes import run
from times_dispatch.ledger.model import CampaignId

_OPTED_OUT = "+919876543210"
_NO_RELAY = '# relay_url = "https://example.com/reports"'
_RELAY = 'relay_url = "http://127.0.0.1:9/reports"'
_STRANGE = {"forged": 0.02, "foreign": 0.02}
"""Reports about messages of another system, which wait for a relay that cannot be reached."""


def main() -> int:
    """Write the snapshot of a ledger that the last release filled; return the exit code."""
    if reason := missing():
        print(reason, file=sys.stderr)  # noqa: T201
        return 2
    with old_tree() as old:
        settings = (old / "times_dispatch/demo/dispatch.toml").read_text("utf-8")
        stack = MixedStack(
            old,
            begins_with=Version.OLD,
            settings=settings.replace("rate_per_s = 800", "rate_per_s = 40").replace(_NO_RELAY, _RELAY),
            sandbox={
                "latency_max_ms": 200,
                "reports": {"delay_min_ms": 50, "delay_max_ms": 500, "replied": 0.1, "clicked": 0.0, **_STRANGE},
                "clicks": {"share": 0.2, "delay_max_ms": 500},
            },
        )
        with stack:
            snapshot = _take(stack)
    print(f"{write(snapshot):,} bytes, {len(snapshot.keys)} keys, {len(snapshot.books)} messages in the books")  # noqa: T201
    return 0


def _take(stack: MixedStack) -> Snapshot:
    done = _submit(stack, "done", 30)
    wait_until(lambda: show(stack, done)["state"] == "finished" and not show(stack, done)["states"]["accepted"])
    _dispatch(stack, "optout", "add", _OPTED_OUT)
    paused = _submit(stack, "paused", 1_000)
    _dispatch(stack, "pause", paused, "--reason", "wrong price")
    half = _submit(stack, "half-sent", 1_200)
    httpx.post(stack.postback_url, content=b"garbage{", timeout=60, trust_env=False)
    wait_until(lambda: show(stack, half)["states"]["delivered"] > 100)
    for name in ("reconciler-1", "reconciler-2"):
        stack.processes[name].kill()
    accepted = stack.books()["all"]["accepted"]
    wait_until(lambda: stack.books()["all"]["accepted"] > accepted + 150)
    for name in ("worker-1", "worker-2", "beat"):
        stack.processes[name].kill()
    httpx.post(f"{stack.sandbox_url}/sandbox/flush", timeout=60, trust_env=False)
    wait_until(lambda: not (stack.books()["reports"]["pending"] or stack.books()["reports"]["pending_clicks"]))
    with Redis.from_url(stack.redis.url) as redis:
        seconds, microseconds = redis.time()
        keys = [key for key in copy_keys(redis) if not key.name.startswith((b"_kombu", b"unacked"))]
    books = asyncio.run(fetch_books(stack.sandbox_url)).values()
    return Snapshot(
        taken_us=seconds * 1_000_000 + microseconds,
        keys=keys,
        campaigns={"done": done, "half sent": half, "paused": paused},
        books=[Acceptance(entry.id, entry.event, str(entry.code)) for entry in books],
        id_key=stack.environment_of("worker-1")["DISPATCH_ID_KEY"],
        opted_out=_OPTED_OUT,
    )


def _submit(stack: MixedStack, name: str, count: int) -> CampaignId:
    file, rows = stack.folder / f"{name}.toml", stack.folder / f"{name}.csv"
    campaign = (Path(times_dispatch.demo.__file__).parent / "campaign.toml").read_text("utf-8")
    file.write_text(campaign.replace("diwali-sale", name), "utf-8")
    recipients.write(rows, count, seed=len(name), wrong=False)
    return submit(stack, file, rows)


def _dispatch(stack: MixedStack, *arguments: str) -> None:
    done = run(["dispatch", *arguments], stack.environment)
    if done.returncode:
        raise RuntimeError(done.stderr)


if __name__ == "__main__":
    sys.exit(main())
