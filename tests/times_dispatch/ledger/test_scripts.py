"""Every script is loaded again when Redis has lost the script, and changes nothing when Redis refuses memory."""

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError, ResponseError

from tests.kit.ledger import CAMPAIGN, SENDER, YEAR_2100_MS, Ledger, plan, recipients
from times_dispatch.ledger.archive_states import ArchiveStates
from times_dispatch.ledger.frequency_cap import FrequencyCheck, FrequencyLimit
from times_dispatch.ledger.keys import OPT_OUTS, PROCESSES, REPORTS, campaign_key, hash_tag
from times_dispatch.ledger.model import CampaignId, SenderId
from times_dispatch.ledger.monitoring.alerts import AlertStore
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind
from times_dispatch.ledger.monitoring.silence import SilenceStore
from times_dispatch.ledger.numbers.forgetting import NumberForgetting
from times_dispatch.ledger.openings import new_operation
from times_dispatch.ledger.protocol import ControlAction
from times_dispatch.ledger.push_results import FailurePolicy
from times_dispatch.ledger.reports.forward_backlog import FORWARD, lane_keys
from times_dispatch.ledger.scripts import (
    Script,
    assemble,
    declaration,
    lib_names,
    lib_text,
    read_reply,
    replaced_lib,
    script_names,
    script_text,
    text,
    used_libs,
)

ENDED, STORED, GONE = map(CampaignId, ("ended001", "stored01", "gone0001"))
OTHER, CANCELLED, WAITING, BY_DAY = map(CampaignId, ("another1", "cancel01", "waiting1", "by-day01"))


@pytest.mark.parametrize(("value", "as_text"), [(b"TIMESM", "TIMESM"), (7, "7"), ("text", "text")])
def test_replies_of_redis_are_read_as_text(value: object, as_text: str) -> None:
    assert text(value) == as_text


def test_the_keys_of_a_sender_begin_with_its_hash_tag() -> None:
    assert hash_tag(SENDER) == "{TIMESM}"
    assert campaign_key(SENDER, CAMPAIGN) == "{TIMESM}:c:diwali01"


async def test_calls_of_one_round_trip_are_all_made_and_an_error_is_raised_after_them(ledger: Ledger) -> None:
    other = SenderId("TIMESO")
    script = Script(ledger.redis, "set_sender")
    fields = {"keep_first": 0, "is_stop": 0, "trail": "", "fields": [{"name": "rate", "value": 5}]}
    await ledger.redis.set(f"{hash_tag(other)}:sender", "damaged")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await script.together([(other, fields), (SENDER, fields)])
    assert await ledger.redis.hget(f"{hash_tag(SENDER)}:sender", "rate") == b"5"
    assert await script.together([]) == []


async def test_a_server_that_forgot_the_scripts_gets_them_again(ledger: Ledger) -> None:
    await ledger.submit(3)
    await ledger.redis.script_flush()
    await ledger.send_all()
    assert await ledger.states() == "aaa"
    await ledger.redis.script_flush()
    await ledger.report("delivered")
    assert await ledger.states() == "daa"


@pytest.fixture
async def in_the_middle(ledger: Ledger) -> AsyncIterator[dict[str, Callable[[], Awaitable[object]]]]:
    """A call of each script, on a ledger in which every script changes something."""
    states = ArchiveStates(ledger.redis)
    for name in (ENDED, STORED, GONE):
        await ledger.submit(0, campaign=name, sealed=False)
        await ledger.control.campaign(SENDER, name, ControlAction.CANCEL)
    await ledger.maintenance.end_pending(SENDER)
    ending: Any = {"operation": "1", "before_ms": YEAR_2100_MS}
    stored: Any = {"operation": "1", "folder": "f", "name": "n", "template": "t"}
    _, digest = await states.begin(SENDER, STORED, **ending)
    _, digest_of_gone = await states.begin(SENDER, GONE, **ending)
    await states.commit(SENDER, GONE, digest=digest_of_gone, **stored)
    await ledger.submit(12)
    await ledger.submit(3, campaign=CANCELLED)
    await ledger.control.campaign(SENDER, CANCELLED, ControlAction.CANCEL)
    first, second, third, _ = await ledger.issue()
    await ledger.submit(3, campaign=OTHER, sealed=False)
    await ledger.submit(3, campaign=WAITING)
    await ledger.submit(3, campaign=BY_DAY, send_from_min=600, send_until_min=1260)
    await ledger.leases.release(await ledger.push(b"iai", await ledger.take(first)))
    lease = await ledger.take(second)
    block = await ledger.open(lease, max_messages=2)
    await ledger.expire_leases(second, third)
    await ledger.redis.hset(campaign_key(SENDER, CAMPAIGN), "report_wait_ms", -1)
    await ledger.make_all_due()
    check = FrequencyCheck(FrequencyLimit(1800, 2, 60), "0badcafe", 2, b"abcdef", "919800000000")
    await ledger.control.brake_provider(SENDER, "unused", "no balance")
    await ledger.redis.srem(f"{hash_tag(SENDER)}:live", CAMPAIGN)
    await ledger.redis.hset(f"{hash_tag(SENDER)}:sender", "rate", 1_000)
    view = await ledger.view(WAITING)
    await ledger.redis.zadd(lane_keys()[0], {"old": 1})
    await ledger.redis.xadd(REPORTS, {"b": "x"}, id="1-1")
    yield {
        "forget_messages": lambda: NumberForgetting(ledger.redis, "919800000000").forget_batch(view, 0),
        "replace_body": lambda: Script(ledger.redis, "replace_body")(
            SenderId(REPORTS), group="reconcilers", id="1-1", payload=b"y", request=b"", or_held=0
        ),
        "queue_copies": lambda: Script(ledger.redis, "queue_copies")(
            FORWARD, max_copies=9, max_bytes=10**6, lanes=8, copies=[{"lane": 1, "score": 1, "member": b"new"}]
        ),
        "remove_copies": lambda: Script(ledger.redis, "remove_copies")(
            FORWARD, count="taken", lanes=8, before_ms=0, max_old=500, copies=[{"lane": 0, "member": b"old"}]
        ),
        "restore_archived": lambda: Script(ledger.redis, "restore_archived")(
            SENDER,
            campaign="restored",
            **dict.fromkeys(("operation", "folder", "name", "template", "trail"), ""),
            state="archived",
            created_ms=1,
            ended_ms=1,
            counters=[],
        ),
        "begin_archive": lambda: states.begin(SENDER, ENDED, **ending),
        "commit_archive": lambda: states.commit(SENDER, STORED, digest=digest, **stored),
        "delete_archived": lambda: states.delete_some(SENDER, GONE),
        "erase_archive": lambda: states.erase(SENDER, GONE),
        "begin": lambda: ledger.submissions.begin(CampaignId("a-third1"), plan(), batch_size=3),
        "add_batch": lambda: ledger.submissions.add_batch(OTHER, SENDER, 1, recipients(3, 3)),
        "seal": lambda: ledger.submissions.seal(OTHER, SENDER, total=3, batches=1),
        "issue": lambda: ledger.leases.issue(SENDER),
        "take": lambda: ledger.leases.take(third),
        "renew": lambda: ledger.leases.renew(SENDER, [lease]),
        "open_block": lambda: ledger.leases.open_block(lease, max_messages=1, operation=new_operation(), check=check),
        "confirm_block": lambda: ledger.leases.confirm_block(lease, block, provider="times", units=2),
        "record": lambda: ledger.record(lease, block, b"a"),
        "set_send_window": lambda: ledger.maintenance.set_send_window(
            SENDER, BY_DAY, opens_ms=1, closes_ms=YEAR_2100_MS
        ),
        "release": lambda: ledger.leases.release(lease),
        "note_failure": lambda: ledger.leases.note_failure(
            lease.ref, lease.token, worker="one", kind="KeyError", reason="", policy=FailurePolicy()
        ),
        "expire_leases": lambda: ledger.maintenance.expire_leases(SENDER),
        "apply_reports": lambda: ledger.report("delivered"),
        "control": lambda: ledger.control.campaign(SENDER, CAMPAIGN, ControlAction.PAUSE),
        "resume_sender": lambda: ledger.control.resume_sender(SENDER),
        "settle_overdue": lambda: ledger.maintenance.settle_overdue(SENDER),
        "end_pending": lambda: Script(ledger.redis, "end_pending")(
            SENDER, campaign=CANCELLED, max_batches=10, state="x", decided_ms=0
        ),
        "take_changed": lambda: ledger.maintenance.take_changed(SENDER),
        "configure_rate": lambda: Script(ledger.redis, "configure_rate")(SENDER, known_rate="", rate=12.0, trail=""),
        "set_sender": lambda: ledger.control.pause_sender(SENDER),
        "append_to_trail": lambda: Script(ledger.redis, "append_to_trail")(SENDER, trail="{}"),
        "set_silence": lambda: SilenceStore(ledger.redis).hold(SENDER, "times", "no report", wait_s=1),
        "keep_alerts": lambda: AlertStore(ledger.redis).keep(),
        "note_heartbeat": lambda: Heartbeat(ledger.redis, ProcessKind.WORKER).beat(),
        "note_upkeep": lambda: Script(ledger.redis, "note_upkeep")(SENDER, gap_ms=3_000, of_all=0),
        "hold_beat": lambda: Script(ledger.redis, "hold_beat")(
            PROCESSES, operation="o", process="web1:71", lease_ms=2500
        ),
        "note_dead_numbers": lambda: Script(ledger.redis, "note_dead_numbers")(
            OPT_OUTS, keep_s=86_400, notes="9198765:1:910"
        ),
        "number_campaign": lambda: Script(ledger.redis, "number_campaign")(SENDER, campaign=CAMPAIGN),
        "index_campaign": lambda: Script(ledger.redis, "index_campaign")(SENDER, campaign=CAMPAIGN),
    }
    await ledger.redis.config_set("maxmemory", 0)


READ_ONLY = {
    "contain_opt_outs",
    "count_suppressed",
    "find_number",
    "pending_steps",
    "read_clock",
    "read_live",
    "search_campaigns",
    "sum_rollups",
}
RUN_WHEN_FULL = {
    "append_to_trail",
    "confirm_block",
    "resume_sender",
    "release",
    "record",
    "set_send_window",
    "expire_leases",
    "apply_reports",
    "control",
    "settle_overdue",
    "end_pending",
    "set_sender",
    "renew",
    "take_changed",
    "configure_rate",
    "keep_alerts",
    "set_silence",
    "note_heartbeat",
    "note_upkeep",
    "hold_beat",
    "begin_archive",
    "commit_archive",
    "delete_archived",
    "erase_archive",
    "queue_copies",
    "remove_copies",
}
"""Scripts that free, shorten or overwrite data, and scripts that add to the bounded trail or list of processes."""
MAY_NEED_MEMORY = sorted(set(script_names()) - READ_ONLY - RUN_WHEN_FULL)


@pytest.mark.parametrize("name", MAY_NEED_MEMORY)
async def test_a_script_that_is_refused_memory_has_done_nothing(
    ledger: Ledger, in_the_middle: dict[str, Callable[[], Awaitable[object]]], name: str
) -> None:
    before = await ledger.dump()
    await ledger.redis.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await in_the_middle[name]()
    assert await ledger.dump() == before
    await ledger.redis.config_set("maxmemory", 0)
    await in_the_middle[name]()
    assert await ledger.dump() != before


@pytest.mark.parametrize("name", sorted(RUN_WHEN_FULL))
async def test_a_script_that_needs_no_memory_runs_when_memory_is_refused(
    ledger: Ledger, in_the_middle: dict[str, Callable[[], Awaitable[object]]], name: str
) -> None:
    before = await ledger.dump()
    await ledger.redis.config_set("maxmemory", 1)
    await in_the_middle[name]()
    assert await ledger.dump() != before


async def test_arguments_are_checked_against_the_scripts_declaration(ledger: Ledger) -> None:
    release = Script(ledger.redis, "release")
    with pytest.raises(TypeError, match="script release: missing or unknown arguments: batch_number, token, tokens"):
        await release(SENDER, campaign=CAMPAIGN, tokens=1)


async def test_the_order_of_arguments_does_not_matter(ledger: Ledger) -> None:
    await ledger.submit(3)
    control = Script(ledger.redis, "control")
    reply = await control(
        SENDER, reason="lunch", replaces_reason=0, decided_us=0, action="pause", campaign=CAMPAIGN, trail=""
    )
    assert reply == {"status": b"changed", "state": b"paused"}


def test_a_declaration_names_the_arguments_and_the_items_of_the_list_that_ends_them() -> None:
    names, tail, of_item = declaration(script_text("renew"))
    assert names == ("lease_ms",)
    assert (tail, of_item) == ("batches", ("campaign", "batch_number", "token"))
    assert declaration(script_text("read_clock")) == ((), "", ())


def test_a_reply_is_read_by_name() -> None:
    assert read_reply([b"status", b"wait", b"ms", 7]) == {"status": b"wait", "ms": 7}
    with pytest.raises(ValueError, match="shorter"):
        read_reply([b"status"])


async def test_a_lib_can_be_replaced_by_another(ledger: Ledger) -> None:
    with replaced_lib("clock", "local function now_us()\n  return 4102444800000000\nend\n"):
        seal = Script(ledger.redis, "seal")
    await ledger.submit(3, sealed=False)
    await seal(SENDER, campaign=CAMPAIGN, total=3, batches=1, trail="", refused=[])
    assert await ledger.field("sealed_ms") == str(YEAR_2100_MS)
    assert "4102444800" not in assemble("seal")


def test_only_the_clock_asks_redis_for_the_time() -> None:
    asking = [name for name in lib_names() if "'TIME'" in lib_text(name)]
    assert asking == ["clock"]
    assert not [name for name in script_names() if "'TIME'" in script_text(name)]


def _words(source: str) -> set[str]:
    """Return the words of a Lua text, without its comments and strings."""
    return set(re.findall(r"\w+", re.sub(r"--.*|'[^']*'", "", source)))


def _defined_in(lib: str) -> set[str]:
    return set(re.findall(r"^local (?:function )?(\w+)", lib_text(lib), re.MULTILINE))


FILES = [*(f"{name}.lua" for name in script_names()), *(f"lib/{name}.lua" for name in lib_names())]


def _source(file: str) -> str:
    name = file.removesuffix(".lua")
    return lib_text(name.removeprefix("lib/")) if name.startswith("lib/") else script_text(name)


@pytest.mark.parametrize("file", FILES)
def test_a_script_or_lib_names_exactly_the_libs_that_it_uses(file: str) -> None:
    source = _source(file)
    used = {lib for lib in lib_names() if _defined_in(lib) & _words(source) and f"lib/{lib}.lua" != file}
    assert set(used_libs(source)) == used


def test_no_name_is_defined_in_two_libs_and_each_is_used() -> None:
    defined = [name for lib in lib_names() for name in _defined_in(lib)]
    assert len(defined) == len(set(defined))
    of_lists = re.findall(r"further_arguments\(\d.*", "\n".join(map(assemble, script_names())))
    code = re.sub(r"--.*", "", "\n".join([*map(_source, FILES), *of_lists]))
    assert [name for name in defined if len(re.findall(rf"\b{name}\b", code)) < 2] == []


@pytest.mark.parametrize("lib", lib_names())
def test_a_lib_holds_nothing_but_comments_and_definitions(lib: str) -> None:
    definitions = r"^local (?:function [\s\S]*?\nend|[^\n]*)\n|^--[^\n]*\n|^\n"
    assert re.sub(definitions, "", lib_text(lib), flags=re.MULTILINE) == ""


@pytest.mark.parametrize("file", FILES)
def test_nothing_is_read_by_its_position(file: str) -> None:
    assert re.findall(r"\w+\[\d+\]|\)\[\d+\]", _source(file)) == []
    assert "ARGV" not in _source(file) or file == "lib/names.lua"
    assert not re.search(r"\bKEYS\b", re.sub(r"--.*", "", _source(file))) or file == "lib/keys.lua"


@pytest.mark.parametrize("name", script_names())
def test_a_header_names_every_argument_and_everything_that_is_replied(name: str) -> None:
    source = script_text(name)
    header = "\n".join(takewhile(lambda line: line.startswith("--"), source.splitlines()))
    names, tail, of_item = declaration(source)
    replied = {
        field
        for reply in re.findall(r"reply\(\{(.*?)\}\)", source, re.DOTALL)
        for field in re.findall(r"(\w+) =", reply)
    }
    missing = [word for word in {*names, tail, *of_item, *replied} - {""} if not re.search(rf"\b{word}\b", header)]
    assert missing == []


@pytest.mark.processes
def test_luacheck_finds_nothing() -> None:
    luacheck = shutil.which("luacheck")
    if not luacheck:
        pytest.skip("luacheck is not installed (Debian: lua-check)")
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [luacheck, "--no-color", "times_dispatch/ledger/lua"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [[], ["nothing"]])
def test_a_name_that_is_no_script_is_refused_in_one_line(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "times_dispatch.ledger.scripts", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "name a script of times_dispatch/ledger/lua without its ending, as in: record\n"
