"""Least rights: each kind of process works with its own Redis user, which has no further rights."""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

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
from tests.kit.ledger import Ledger
from tests.kit.links import application, serving_links, submit_with_links
from tests.kit.mirror_host import serving_mirror
from tests.kit.redis_users import FILE, PROCESS_USERS, read_users, server_with_users, service
from tests.kit.waiting import eventually, wait_until
from times_dispatch.alerts.observation import BudgetUse, Observer
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process
from times_dispatch.demo.redis_server import EmbeddedServer, find_server
from times_dispatch.ledger import scripts
from times_dispatch.ledger.connection import check, connect
from times_dispatch.ledger.monitoring.alerts import Watched
from times_dispatch.ledger.monitoring.health import urgent_warnings
from times_dispatch.ledger.monitoring.heartbeats import Heartbeat, ProcessKind, read_processes
from times_dispatch.ledger.reports.forward_backlog import read_forward_backlog

pytestmark = pytest.mark.processes

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
"""Commands that a user must not run on keys of other kinds of processes."""
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
"""Keys that contain phone numbers or texts of people, each with a command that reads the key."""
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
"""The table of docs/security.md. A user that reads the age of entries can read the entries, as Redis requires."""
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
    with server_with_users() as running:
        yield running


@pytest.mark.parametrize("user", PROCESS_USERS)
def test_a_user_may_do_nothing_that_its_kind_of_process_does_not_need(server: EmbeddedServer, user: str) -> None:
    denied = [*FOR_NOBODY, *OTHERS[user], *([] if user in _MAY_SCAN else ["SCAN 0"])]
    with Redis.from_url(server.url, decode_responses=True) as admin:
        answers = {call: str(admin.execute_command("ACL", "DRYRUN", user, *call.split())) for call in denied}
    allowed = [call for call, answer in answers.items() if "permission" not in answer]
    print(f"{user}: {len(denied) - len(allowed)} of {len(denied)} foreign commands are refused")  # noqa: T201  # the figure
    assert allowed == []
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


async def test_alerts_look_at_live_campaigns_with_their_own_user(server: EmbeddedServer) -> None:
    url = f"redis://alerts:mellon@127.0.0.1:{server.port}/0"
    async with connect(server.url) as all_rights, connect(url) as redis:
        campaign = await Ledger(all_rights).submit(max_parts=7)
        seen = await Observer(redis).observe(Watched())
        assert campaign in [live.id for live in seen.live]
        assert seen.budgets[campaign] == BudgetUse(parts_out=0, max_parts=7)


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


@pytest.mark.parametrize("user", [*sorted(_MANAGERS), "receiver", "metrics", "alerts"])
async def test_a_process_that_compares_the_clocks_may_read_the_clock_of_redis(
    server: EmbeddedServer, user: str
) -> None:
    async with connect(f"redis://{user}:mellon@127.0.0.1:{server.port}/0") as redis:
        assert await urgent_warnings(redis) == []


_OF_OTHERS = {"worker": {"replace_body", "queue_copies", "remove_copies", "forwarding"}}
"""Scripts that a user never runs: the scripts that forget a number, and the scripts that forward reports, with their
lib.
"""


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
        ("/tmp/users", str(tmp_path / "users")),  # noqa: S108  # a path in the container
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
            wait_until(lambda: _lives(redis))
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


def _connects(port: int, user: str, password: str) -> bool:
    with Redis(port=port, username=user, password=password) as redis:
        try:
            return bool(redis.ping())
        except NoPermissionError:  # the user exists
            return True
