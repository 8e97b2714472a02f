"""All commands, pages and processes work with their own Redis users, and Redis refuses no command."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.kit.command_line import campaign_file
from tests.kit.console import make_rig, sent_campaign
from tests.kit.ledger import Ledger
from tests.kit.redis_users import StackWithUsers, add_users
from tests.kit.waiting import wait_until
from times_dispatch.console_users import ConsoleRole
from times_dispatch.demo.processes import run
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import connect

pytestmark = pytest.mark.processes

ROWS = 300


@pytest.mark.slow
def test_a_campaign_is_sent_with_a_user_for_each_kind_of_process() -> None:
    with StackWithUsers(
        workers=1, flower=True, sandbox={"reports": {"delay_min_ms": 10, "delay_max_ms": 100, "failed": 0.0}}
    ) as stack:
        rows = "".join(f"{9_000_000_000 + row},Asha {row},{row},5\n" for row in range(ROWS))
        (stack.folder / "rows.csv").write_text(f"to,name,order,amount\n{rows}")
        recipients = str(stack.folder / "rows.csv")

        def dispatch(*arguments: str, code: int = 0) -> str:
            done = run(["dispatch", *arguments], stack.environment)
            assert done.returncode == code, (arguments, done.stdout, done.stderr)
            return done.stdout

        campaign_path = str(campaign_file(stack, "rights"))
        dispatch("check", campaign_path, "--recipients", recipients)
        campaign = json.loads(dispatch("submit", campaign_path, "--recipients", recipients, "--json"))["campaign"]
        dispatch("watch", campaign, "--timeout", "30")
        _run_every_command(dispatch, campaign, str(stack.folder))
        with httpx.Client(trust_env=False, timeout=60) as client:
            for body in (b"garbage{", b'[{"corelationid": "zzzz", "status": "x"}]'):
                client.post(stack.postback_url, content=body, headers={"content-type": "application/json"})
            client.post(f"{stack.receiver_url}/callbacks/a-wrong-secret-of-some-length", content=b"[]")
            assert client.get(f"{stack.receiver_url}/ready").text == '{"status":"ok"}'
            client.auth = httpx.BasicAuth(*stack.flower_auth)
            pages = ("/", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/queues/length")
            assert {page: client.get(stack.flower_url + page).status_code for page in pages} == dict.fromkeys(
                pages, 200
            )
            wait_until(lambda: '"campaign"' in client.get(f"{stack.flower_url}/api/tasks").text)
        wait_until(lambda: json.loads(dispatch("show", campaign, "--json"))["states"]["accepted"] == 0)
        stack.check()
        stack.processes["worker-1"].stop()
        with Redis.from_url(stack.redis.url, decode_responses=True) as redis:
            refused = redis.acl_log()
    print(f"{len(refused)} commands refused by Redis to the processes and to the commands")  # noqa: T201  # the figure
    assert [(entry["username"], entry["reason"], entry["object"]) for entry in refused] == []


def _run_every_command(dispatch: Callable[..., str], campaign: str, folder: str) -> None:
    for words, code in (
        ("list", 0),
        ("status", 0),
        (f"show {campaign} --export delivered {folder}/delivered.csv", 0),
        (f"pause {campaign}", 1),
        (f"resume {campaign}", 1),
        (f"budget {campaign} 500", 0),
        (f"resolve {campaign} --as sent --force", 0),
        (f"cancel {campaign} --yes", 1),
        ("audit", 0),
        ("alerts list --ended 5", 0),
        ("complaints add TIMESM C-1", 0),
        ("complaints list", 0),
        ("complaints remove TIMESM C-1", 0),
        (f"audit {campaign}", 0),
        ("sender list", 0),
        ("sender rate TIMESM 500", 0),
        ("sender pause TIMESM", 0),
        ("sender resume TIMESM", 0),
        ("optout add 9876543211", 0),
        ("optout count", 0),
        (f"optout export {folder}/numbers.csv", 0),
        (f"optout import {folder}/numbers.csv", 0),
        ("optout remove 9876543211", 0),
        ("reports rejected", 0),
        ("reports waiting", 0),
        ("reports replay", 0),
        ("send-test --country-code 91 --number 9876543210 --message hello --wait-report 20", 0),
    ):
        dispatch(*words.split(), code=code)


async def test_the_console_shows_all_pages_and_acts_with_its_own_user(tmp_path: Path) -> None:
    """Every page and every action works with the Redis user of the console, and Redis refuses no command."""
    with EmbeddedServer() as server:
        with Redis.from_url(server.url) as admin:
            add_users(admin, "mellon")
        url = f"redis://console:mellon@127.0.0.1:{server.port}/0"
        async with connect(server.url) as all_rights, connect(url) as redis:
            ledger = Ledger(all_rights)
            await sent_campaign(ledger, provider="tm", template="bill")
            await ledger.submit(3, campaign="holi0001")
            rig = make_rig(redis, url, tmp_path)
            browser = rig.logged_in(ConsoleRole.OWNER)
            for path in (
                *("/", "/campaigns", "/campaigns?q=sale", "/campaigns?state=archived", "/campaigns/diwali01"),
                *("/campaigns/diwali01/messages?state=failed", "/campaigns/diwali01/resend?state=failed", "/senders"),
                *("/senders/TIMESM", "/senders/TIMESM/rate?rate=5", "/numbers", "/templates", "/system"),
                "/system/trail",
            ):
                assert (await browser.get(path)).status_code == 200, path
            for path, fields in (
                ("/numbers", {"number": "9800000005"}),
                ("/campaigns/holi0001/pause", {"state": "running"}),
                ("/campaigns/holi0001/resume", {"state": "paused"}),
                ("/campaigns/holi0001/cancel", {"state": "running", "sure": "yes"}),
                ("/senders/TIMESM/pause", {}),
                ("/senders/TIMESM/resume", {}),
                ("/senders/TIMESM/rate", {"rate": "5", "confirmed": "5"}),
                ("/campaigns/diwali01/resend", {"state": "failed", "messages": "4"}),
            ):
                response = await browser.post(path, fields)
                assert response.status_code in {200, 303}, (path, await all_rights.acl_log())
            await rig.close()
        with Redis.from_url(server.url, decode_responses=True) as admin:
            refused = admin.acl_log()
    print(f"{len(refused)} commands refused by Redis to the console")  # noqa: T201  # the figure
    assert [(entry["username"], entry["reason"], entry["object"]) for entry in refused] == []
