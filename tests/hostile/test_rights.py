"""Least rights: each kind of process works with its own user of Redis, and can do no more."""

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError

from callbacks.backlog import watch_backlog
from callbacks.callback_secrets import CallbackSecrets
from callbacks.dead_letters import DeadLetter, DeadLetterLimits, DeadLetterReason, DeadLetters
from callbacks.relay.forward_queue import ForwardedEvent, ForwardQueue
from callbacks.relay.forwarder import Forwarder
from callbacks.relay.via import read_relay_id
from callbacks.report_room import ReportRoom
from callbacks.stream_writer import ReportStreamWriter
from callbacks.streams import REPORTS
from tests.kit.callbacks import eventually
from tests.kit.command_line import campaign_file
from tests.kit.console import make_rig, sent_campaign
from tests.kit.ledger import Ledger
from tests.kit.links import application, serving_links, submit_with_links
from tests.kit.mirror_host import serving_mirror
from tests.kit.redis_users import FILE, PROCESS_USERS, StackWithUsers, add_users, read_users, service
from times_dispatch.console_users import ConsoleRole
from times_dispatch.demo.processes import Process, free_port, run
from times_dispatch.demo.redis_server import EmbeddedServer, find_server
from times_dispatch.ledger import scripts
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.forward_backlog import read_forward_backlog
from times_dispatch.ledger.heartbeats import Heartbeat, ProcessKind, read_processes

pytestmark = pytest.mark.processes

ROWS = 300
OTHERS = {
    "worker": ["HSET callback_secrets a b", "XADD reports * b x", "SET test_send:1:number 9", "DEL submissions"],
    "beat": ["HGETALL {TIMESM}:sender", "LPUSH bulk x", "BRPOP upkeep 1", "GET token:tm", "PUBLISH /0.celery.pidbox x"],
    "receiver": [
        "HGETALL {TIMESM}:sender",
        "LPUSH bulk x",
        "GET token:tm",
        "HGETALL id_key",
        "DEL reports",
        "XACK reports a b",
        "XTRIM reports MAXLEN 0",
        "XDEL reports 1-1",
        "XDEL reports:rejected 1-1",
        "SET reports:relay_id x",
    ],
    "reconciler": ["LPUSH bulk x", "GET token:tm", "HSET campaigns a b", "HSET callback_secrets a b", "DEL unacked"],
    "links": [
        "HSET {TIMESM}:sender paused 0",
        "EVALSHA a 1 {TIMESM}",
        "XRANGE reports - +",
        "XADD relay * b x",
        "GET {opt_outs}:any",
        "HGET {opt_outs}:dead:91987 12345",
        "HMGET {alerts}:open a",
        "HGET {TIMESM}:sender paused",
        "SADD {opt_outs}:n:91987 1",
        "HGETALL id_key",
        "GET token:tm",
        "LPUSH bulk x",
    ],
    "metrics": [
        "HSET {TIMESM}:sender paused 0",
        "GET {TIMESM}:c:1:recipients:0",
        "EVALSHA a 1 {TIMESM}",
        "SMEMBERS {opt_outs}:n:91987",
        "XADD reports * b x",
        "HGETALL id_key",
        "GET token:tm",
        "LPUSH bulk x",
    ],
    "alerts": [
        "HSET {TIMESM}:sender paused 0",
        "GET {TIMESM}:c:1:p:0",
        "EVALSHA a 1 {TIMESM}",
        "SMEMBERS {opt_outs}:n:91987",
        "XADD reports * b x",
        "HGETALL id_key",
        "GET token:tm",
        "LPUSH bulk x",
    ],
    "console": [
        "HSET id_key a b",
        "BRPOP bulk 1",
        "DEL unacked",
        "HSET callback_secrets a b",
        "XDEL reports:rejected 1",
        "ZADD test_send:1 1 a",
        "PUBLISH /0.celery.pidbox x",
    ],
    "flower": [
        "HGETALL {TIMESM}:sender",
        "LPUSH upkeep x",
        "DEL bulk",
        "DEL unacked",
        "SREM _kombu.binding.bulk x",
        "PUBLISH /0.celery.pidbox x",
        "GET token:tm",
        "XLEN reports",
    ],
    "command": [
        "HSET id_key a b",
        "BRPOP bulk 1",
        "DEL unacked",
        "HSET callback_secrets a b",
        "PUBLISH /0.celery.pidbox x",
    ],
}
"""What a user must not do with keys of other kinds of processes."""
PRIVATE = {
    "recipients and their values": "GET {TIMESM}:c:1:p:0",
    "states of messages": "GET {TIMESM}:c:1:m:0",
    "opt-outs": "SMEMBERS {opt_outs}:n:91987",
    "dead numbers": "HGETALL {opt_outs}:dead:91987",
    "numbers of test messages": "ZRANGE test_send:1 0 -1",
    "reports that wait": "XRANGE reports - +",
    "dead letters": "XRANGE reports:rejected - +",
    "reports that wait for the relay": "XRANGE relay - +",
    "copies to be forwarded": "ZRANGE {reports}:forward:0 0 -1",
}
"""What holds numbers, or what people wrote, and how it is read."""
WRITES = {
    "states of messages": "SETRANGE {TIMESM}:c:1:m:0 0 a",
    "states of campaigns": "HSET {TIMESM}:c:1 state paused",
    "opt-outs": "SREM {opt_outs}:n:91987 1",
}
_MANAGERS = {"worker", "reconciler", "console", "command"}
MAY_READ = {
    "recipients and their values": _MANAGERS | {"links"},
    "states of messages": _MANAGERS,
    "opt-outs": _MANAGERS,
    "dead numbers": _MANAGERS,
    "numbers of test messages": {"reconciler", "command"},
    "reports that wait": _MANAGERS | {"receiver", "metrics", "alerts"},
    "dead letters": {"reconciler", "console", "command", "metrics"},
    "reports that wait for the relay": {"reconciler", "console", "command", "metrics"},
    "copies to be forwarded": _MANAGERS | {"metrics", "alerts"},
}
"""The table of docs/security.md: Redis cannot give an entry's age without the entry."""
FOR_NOBODY = [
    *(
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "CONFIG GET *",
        "CONFIG SET appendonly no",
        "SHUTDOWN",
        "DEBUG SLEEP 1",
        "MONITOR",
    ),
    *("REPLICAOF a 1", "ACL LIST", "ACL SETUSER x", "CLIENT LIST", "CLIENT KILL a:1", "SCRIPT FLUSH", "SCRIPT KILL"),
    *("FUNCTION LOAD x", "FUNCTION FLUSH", "MODULE LIST", "SAVE", "BGSAVE", "BGREWRITEAOF", "RESTORE a 0 x"),
    *(
        "MIGRATE h 1 k 0 1",
        "SWAPDB 0 1",
        "RANDOMKEY",
        "DBSIZE",
        "SLOWLOG GET",
        "LATENCY DOCTOR",
        "RENAME a b",
        "SORT a",
    ),
    *("COPY a b", "OBJECT FREQ a", "DUMP a", "SUBSCRIBE news", "GET somebody:elses"),
]
_MAY_SCAN = {"command"}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as running:
        with Redis.from_url(running.url) as redis:
            add_users(redis, "mellon")
        yield running


@pytest.mark.parametrize("user", PROCESS_USERS)
def test_a_user_may_do_nothing_that_its_kind_of_process_does_not_need(server: EmbeddedServer, user: str) -> None:
    denied = [*FOR_NOBODY, *OTHERS[user], *([] if user in _MAY_SCAN else ["SCAN 0"])]
    with Redis.from_url(server.url, decode_responses=True) as admin:
        answers = {call: str(admin.execute_command("ACL", "DRYRUN", user, *call.split())) for call in denied}
    assert [call for call, answer in answers.items() if "permission" not in answer] == []
    with Redis(port=server.port, username=user, password="mellon") as redis, pytest.raises(NoPermissionError):
        redis.flushall()


@pytest.mark.parametrize("what", PRIVATE)
def test_only_the_users_of_the_table_read_what_is_private_and_write_states(server: EmbeddedServer, what: str) -> None:
    with Redis.from_url(server.url, decode_responses=True) as admin:

        def may(call: str) -> set[str]:
            answers = {user: str(admin.execute_command("ACL", "DRYRUN", user, *call.split())) for user in PROCESS_USERS}
            return {user for user, answer in answers.items() if "permission" not in answer}

        readers, writers = may(PRIVATE[what]), may(WRITES[what]) if what in WRITES else set[str]()
        assert may(WRITES["states of campaigns"]) == _MANAGERS
    print(f"{what}: read by {', '.join(sorted(readers))}; written by {', '.join(sorted(writers)) or '-'}")  # noqa: T201  # the figure
    assert readers == MAY_READ[what]
    assert writers == (_MANAGERS if what in WRITES else set())


def test_a_client_without_a_password_may_only_ask_whether_the_server_lives() -> None:
    with EmbeddedServer() as server, Redis(port=server.port) as redis:
        redis.execute_command("ACL", "SETUSER", "default", "reset", *read_users()["default"])
        assert redis.ping()
        for call in ("GET a", "KEYS *", "INFO", "FLUSHALL", "ACL LIST"):
            with pytest.raises(NoPermissionError):
                redis.execute_command(*call.split())


async def test_the_start_check_of_the_ledger_passes_for_workers_and_commands(server: EmbeddedServer) -> None:
    for user in ("worker", "command"):
        async with connect(f"redis://{user}:mellon@127.0.0.1:{server.port}/0") as redis:
            await check(redis)


async def test_a_reconciler_may_forward_and_others_may_see_what_waits(server: EmbeddedServer) -> None:
    event = ForwardedEvent("delivered", "message", b'{"ts":1,"meta":"message"}')
    stop = asyncio.Event()
    url = f"redis://{{}}:mellon@127.0.0.1:{server.port}/0"
    async with serving_mirror() as mirror, connect(url.format("reconciler")) as redis:
        now_ms = int((await redis.time())[0]) * 1000
        await ForwardQueue(redis).add_all([(f"{now_ms}-0".encode(), 0, event)])
        for user in ("metrics", "command"):
            async with connect(url.format(user)) as other:
                assert (await read_forward_backlog(other)).events == 1
        running = asyncio.create_task(Forwarder(redis, mirror.url).run(stop))
        await eventually(lambda: asyncio.sleep(0, mirror.taken))
        stop.set()
        await running
        assert (await read_forward_backlog(redis)).totals == {"taken": 1}


async def test_a_links_process_answers_clicks_and_opt_outs_with_its_own_user(server: EmbeddedServer) -> None:
    url = f"redis://links:mellon@127.0.0.1:{server.port}/0"
    async with connect(server.url) as all_rights, connect(url) as redis:
        campaign = await submit_with_links(all_rights, has_opt_out=True)
        room = ReportRoom(redis)
        async with serving_links(application(redis, room=room)) as client:
            statuses = [(await client.get(campaign.path(index))).status_code for index in range(3)]
            stopped = await client.post(f"{campaign.path(1)}/stop")
            ready = await client.get("/ready")
        await room.check()
        await Heartbeat(redis, ProcessKind.LINKS).beat()
        assert len((await read_processes(all_rights)).alive(ProcessKind.LINKS)) == 1
        assert (statuses, stopped.status_code, ready.status_code) == ([302] * 3, 200, 200)
        assert await all_rights.xlen(REPORTS) == 4


async def test_a_receiver_stores_posts_and_dead_letters_with_its_own_user(server: EmbeddedServer) -> None:
    url = f"redis://receiver:mellon@127.0.0.1:{server.port}/0"
    stop = asyncio.Event()
    stop.set()
    async with connect(server.url) as all_rights, connect(url) as redis:
        await ReportStreamWriter(redis).put(b"[]")
        limits = DeadLetterLimits(max_bytes=2_000)
        letters = [DeadLetter(DeadLetterReason.FORGED, b"x" * length, "") for length in (10, 1_000, 100_000)]
        await DeadLetters(redis, limits=limits).add(letters * 5)
        await ReportRoom(redis).check()
        await watch_backlog(redis, stop)
        secrets = CallbackSecrets(redis, ("a-secret-of-some-length", ""), change_s=60)
        await secrets.record(stop)
        await secrets.is_change_recent()
        await read_relay_id(redis)
        await Heartbeat(redis, ProcessKind.RECEIVER).beat()
        assert len((await read_processes(all_rights)).alive(ProcessKind.RECEIVER)) == 1


_OF_OTHERS = {"worker": {"replace_body", "queue_copies", "remove_copies"}}
"""Scripts that a user never runs: those that forget a number, and those that forward reports."""


@pytest.mark.parametrize("user", ["worker", "reconciler", "command"])
def test_a_user_of_the_ledger_may_run_every_command_of_its_scripts(user: str) -> None:
    folder = Path(scripts.__file__).parent / "lua"
    others = _OF_OTHERS.get(user, set())
    texts = [path.read_text("utf-8") for path in folder.rglob("*.lua") if path.stem not in others]
    used = {name.lower() for text in texts for name in re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", text)}
    used = {"memory|usage" if name == "memory" else name for name in used}
    assert used - {rule.removeprefix("+") for rule in read_users()[user] if rule.startswith("+")} == set()


def test_docker_compose_gives_each_process_its_own_user_and_only_its_own_secrets() -> None:
    expected = {
        "worker": {
            *("id_key", "id_key_old", "link_key", "link_key_old", "timesmobile_username", "timesmobile_password"),
            *("archive_key", "archive_key_old", "forget_key"),
        },
        "beat": set[str](),
        "receiver": {"callback_secret", "callback_secret_old"},
        "reconciler": {"id_key", "id_key_old", "forget_key"},
        "links": {"id_key", "id_key_old", "link_key", "link_key_old"},
        "metrics": {"metrics_token"},
        "alerts": set[str](),
        "console": {"console_secret", "link_key", "link_key_old", "archive_key", "archive_key_old", "forget_key"},
        "flower": {"flower_basic_auth"},
        "dispatch": {
            "id_key",
            "id_key_old",
            "link_key",
            "link_key_old",
            "callback_secret",
            "timesmobile_username",
            "timesmobile_password",
            "archive_key",
            "archive_key_old",
            "forget_key",
        },
    }
    for name, secrets in expected.items():
        user = "command" if name == "dispatch" else name
        environment = service(name)["environment"]
        assert environment["DISPATCH_REDIS_URL"] == f"redis://{user}@redis:6379/0"
        assert set(service(name)["secrets"]) == secrets | {f"redis_{user}"}
        files = {str(value) for variable, value in environment.items() if variable.endswith("_FILE")}
        assert files == {f"/run/secrets/{secret}" for secret in service(name)["secrets"]}


def test_the_redis_of_docker_compose_starts_with_the_users_and_their_passwords(tmp_path: Path) -> None:
    port = free_port()
    for name in [*PROCESS_USERS, "admin"]:
        (tmp_path / f"redis_{name}").write_text(f"password of {name}\n")
    command = service("redis")["command"][2].replace("$$", "$")
    for inside, here in (
        ("/etc/redis-users.acl", str(FILE)),
        ("/run/secrets", str(tmp_path)),
        ("/tmp/users", str(tmp_path / "users")),  # noqa: S108  # the path in the container
        ("redis-server -", f"{find_server()} - --port {port} --bind 127.0.0.1 --dir {tmp_path}"),
    ):
        assert inside in command
        command = command.replace(inside, here)
    process = Process(
        "redis",
        ["sh", "-c", command],
        environment={**os.environ, "APPENDFSYNC": "no", "MAXMEMORY": "100mb"},
        folder=tmp_path,
    )
    process.start()
    try:
        with Redis(port=port) as redis:
            _wait_until(lambda: _lives(redis))
            for name in [*PROCESS_USERS, "admin"]:
                assert _connects(port, name, f"password of {name}")
                with pytest.raises(AuthenticationError):
                    _connects(port, name, "guess")
        with Redis(port=port, username="admin", password="password of admin") as admin:
            assert admin.config_get("appendonly") == {"appendonly": "yes"}
            assert admin.config_get("maxmemory") == {"maxmemory": str(100 * 1024**2)}
    finally:
        process.stop()


def _lives(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisConnectionError:
        return False


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
        with httpx.Client(trust_env=False, timeout=10) as client:
            for body in (b"garbage{", b'[{"corelationid": "zzzz", "status": "x"}]'):
                client.post(stack.postback_url, content=body, headers={"content-type": "application/json"})
            client.post(f"{stack.receiver_url}/callbacks/a-wrong-secret-of-some-length", content=b"[]")
            assert client.get(f"{stack.receiver_url}/ready").text == '{"status":"ok"}'
            client.auth = httpx.BasicAuth(*stack.flower_auth)
            pages = ("/", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks", "/api/queues/length")
            assert {page: client.get(stack.flower_url + page).status_code for page in pages} == dict.fromkeys(
                pages, 200
            )
            _wait_until(lambda: '"campaign"' in client.get(f"{stack.flower_url}/api/tasks").text)
        _wait_until(lambda: json.loads(dispatch("show", campaign, "--json"))["states"]["accepted"] == 0)
        stack.check()
        stack.processes["worker-1"].stop()
        with Redis.from_url(stack.redis.url, decode_responses=True) as redis:
            refused = redis.acl_log()
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


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _connects(port: int, user: str, password: str) -> bool:
    with Redis(port=port, username=user, password=password) as redis:
        try:
            return bool(redis.ping())
        except NoPermissionError:  # the user exists
            return True


@pytest.mark.processes
async def test_the_console_shows_all_pages_and_acts_with_its_own_user(tmp_path: Path) -> None:
    """Every page and every action works with the Redis user of the console, and Redis refuses nothing."""
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
    assert [(entry["username"], entry["reason"], entry["object"]) for entry in refused] == []
