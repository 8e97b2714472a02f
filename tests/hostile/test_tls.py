"""TLS to Redis and to the broker: no kind of process sends its password to a rogue server."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from kombu import pools
from redis import Redis as SyncRedis
from redis.exceptions import RedisError

from producers.cli import main
from tests.kit.producers import SETTINGS
from tests.kit.tls import Certificates, TlsServer, tls_server
from times_dispatch.broker.app import BROKER_ERRORS, BrokerUnavailable, celery_app, waiting_wakeups, wake_workers
from times_dispatch.demo.local_ports import free_port
from times_dispatch.demo.processes import Process, clean_environment
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.connection import RedisUnavailable, check, connect
from times_dispatch.ledger.model import BatchRef, CampaignId, SenderId
from times_dispatch.ledger.ready_batches import BatchReady
from times_dispatch.settings.model import Settings
from times_dispatch.status.reader import read_status
from times_dispatch.tls_options import certificate_problem

PASSWORD = "swordfish"
WRONG = ["of an unknown CA", "of another host"]
BATCHES = [BatchReady(BatchRef(SenderId("TIMESM"), CampaignId("c" * 8), 0), name="x", batches=1, urgent=False)]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=WRONG)
def rogue(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[TlsServer]:
    with tls_server(certificates.server(request.param)) as server:
        yield server


def url(server: TlsServer, certificates: Certificates, *, scheme: str = "rediss", client: bool = False) -> str:
    options = f"ssl_ca_certs={certificates.ca}"
    if client:
        options += f"&ssl_certfile={certificates.client}&ssl_keyfile={certificates.client_key}"
    return f"{scheme}://app:{PASSWORD}@127.0.0.1:{server.port}/0?{options}"


def assert_nothing_received(server: TlsServer) -> None:
    print(f"{server.connections} connections, {len(server.received)} bytes received")  # noqa: T201
    assert server.received == b""


def test_the_rogue_server_gets_the_password_of_a_client_that_does_not_verify(certificates: Certificates) -> None:
    with tls_server(certificates.server("of an unknown CA")) as server:
        address = f"rediss://app:{PASSWORD}@127.0.0.1:{server.port}/0?ssl_cert_reqs=none&ssl_check_hostname=no"
        with SyncRedis.from_url(address, socket_timeout=0.5) as client, pytest.raises(RedisError):
            client.ping()
    print(f"{len(server.received)} bytes received, among them the password")  # noqa: T201  # the figure
    assert PASSWORD.encode() in server.received


async def test_the_ledgers_client_names_the_certificate_in_one_line_and_gives_no_password(
    rogue: TlsServer, certificates: Certificates
) -> None:
    async with connect(url(rogue, certificates), retries=0) as redis:
        with pytest.raises(RedisUnavailable, match=r"^Redis at 127.0.0.1:\d+ presents a certificate that is not trust"):
            await check(redis)
    assert rogue.connections
    assert_nothing_received(rogue)


async def test_a_producer_names_the_brokers_certificate_and_gives_no_password(
    rogue: TlsServer, certificates: Certificates, redis_url: str
) -> None:
    app = celery_app(Settings(redis_url=redis_url, broker_url=url(rogue, certificates)))
    with pytest.raises(BrokerUnavailable, match="the broker presents a certificate that is not trusted"):
        await wake_workers(app, BATCHES)
    assert rogue.connections
    assert_nothing_received(rogue)


@pytest.mark.slow  # the broker's client repeats its calls to sentinels for some seconds
async def test_a_sentinel_that_is_not_ours_gets_no_password_from_the_ledger_or_the_broker(
    rogue: TlsServer, certificates: Certificates, redis_url: str
) -> None:
    sentinel = url(rogue, certificates, scheme="rediss+sentinel") + "&master=dispatch&sentinel_login=yes"
    async with connect(sentinel, retries=0) as redis:
        with pytest.raises(RedisUnavailable, match=r"^Redis at dispatch \(Sentinel at 127.0.0.1:\d+\) is unavailable"):
            await check(redis)
    asked = rogue.connections
    app = celery_app(Settings(redis_url=redis_url, broker_url=sentinel))
    with pytest.raises(BrokerUnavailable):
        await wake_workers(app, BATCHES)
    assert 0 < asked < rogue.connections
    assert_nothing_received(rogue)


@pytest.mark.slow  # the client of AMQP waits for two seconds
def test_a_connection_of_amqps_verifies_as_well(rogue: TlsServer, certificates: Certificates, redis_url: str) -> None:
    app = celery_app(Settings(redis_url=redis_url, broker_url=url(rogue, certificates, scheme="amqps")))
    with pytest.raises(BROKER_ERRORS) as refused:
        app.connection_for_write().connect()
    assert certificate_problem(refused.value).startswith("presents a certificate that is not trusted")
    assert rogue.connections
    assert_nothing_received(rogue)


def test_a_command_names_the_certificate_in_one_line(
    rogue: TlsServer, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    done = CliRunner(env={"DISPATCH_REDIS_URL": url(rogue, certificates)}).invoke(main, ["list"])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "presents a certificate that is not trusted" in done.stderr
    assert_nothing_received(rogue)


async def test_a_status_that_writes_nothing_names_the_certificate(rogue: TlsServer, certificates: Certificates) -> None:
    async def no_queues() -> dict[str, int]:
        return {}

    async with connect(url(rogue, certificates), retries=0) as redis:
        status = await read_status(redis, no_queues, max_memory_share=0.9, may_write=False)
    assert ["presents a certificate that is not trusted" in finding.problem for finding in status.findings] == [True]
    assert_nothing_received(rogue)


def test_a_command_says_which_scheme_to_try_when_only_one_side_has_tls(
    certificates: Certificates, redis_server: EmbeddedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with tls_server(certificates.server("trusted"), redis_server.port) as server:
        done = CliRunner().invoke(main, ["--redis-url", f"redis://127.0.0.1:{server.port}/0", "list"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("is unavailable: no connection; if it has TLS, its URL must begin with rediss\n")
    done = CliRunner().invoke(main, ["--redis-url", f"rediss://127.0.0.1:{redis_server.port}/0", "list"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("no answer in time; if it has no TLS, its URL must begin with redis, not rediss\n")


ENVIRONMENT = {
    "DISPATCH_ID_KEY": "0123456789abcdef",
    "DISPATCH_CALLBACK_SECRET": "guess-me-if-you-can",
    "DISPATCH_PROVIDER_TM_USERNAME": "shop",
    "DISPATCH_PROVIDER_TM_PASSWORD": "hush-hush",
    "DISPATCH_FLOWER_BASIC_AUTH": "user:secret",
    "DISPATCH_CALLBACKS_LISTEN": "127.0.0.1:{port}",
}
CELERY = (sys.executable, "-m", "celery", "--quiet", "-A", "workers.app")
BEAT = (*CELERY[:-1], "workers.beat")
PROCESSES = {
    "worker": (*CELERY, "worker", "--without-gossip", "--without-mingle", "--queues=upkeep,urgent,bulk"),
    "beat": (*BEAT, "beat", "--schedule=beat-schedule"),
    "flower": (sys.executable, "-m", "times_dispatch.broker.flower", "--port={port}"),
    "receiver": (sys.executable, "-m", "callbacks.receiver"),
    "reconciler": (sys.executable, "-m", "callbacks.reconciler"),
    "alerts": (sys.executable, "-m", "times_dispatch.alerts"),
}


@pytest.mark.processes
@pytest.mark.parametrize("name", PROCESSES)
def test_no_process_gives_a_rogue_server_the_password_and_its_log_names_the_certificate(
    name: str, certificates: Certificates, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "dispatch.toml").write_text(SETTINGS)
    root, port = str(Path(__file__).parents[2]), str(free_port())
    with tls_server(certificates.server("of an unknown CA")) as server:
        environment = {
            **clean_environment(),
            **{key: value.format(port=port) for key, value in ENVIRONMENT.items()},
            "PYTHONPATH": root,
            "DISPATCH_BROKER_URL": url(server, certificates),
            "DISPATCH_REDIS_URL": redis_url if name == "worker" else url(server, certificates),
        }
        process = Process(
            name, [word.format(port=port) for word in PROCESSES[name]], environment=environment, folder=tmp_path
        )
        process.start()
        try:
            deadline = time.monotonic() + 60
            while not (server.connections and _names_certificate(process)) and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            process.kill()
    log = process.log_tail(200)
    assert server.connections
    assert _names_certificate(process), log
    assert_nothing_received(server)
    assert PASSWORD not in log


def _names_certificate(process: Process) -> bool:
    return "certificate" in process.log_tail(200).lower()


@pytest.fixture(scope="module")
def server_with_password() -> Iterator[EmbeddedServer]:
    with EmbeddedServer() as server:
        with SyncRedis.from_url(server.url) as redis:
            redis.acl_setuser(
                "app", enabled=True, passwords=[f"+{PASSWORD}"], keys="*", channels="*", categories=["+@all"]
            )
        yield server


@pytest.mark.processes
@pytest.mark.parametrize("client", [False, True])
async def test_ledger_and_broker_work_with_a_ca_and_a_client_certificate_of_ones_own(
    certificates: Certificates, server_with_password: EmbeddedServer, client: bool
) -> None:
    context = certificates.server("trusted", wants_client=client)
    with tls_server(context, server_with_password.port) as server:
        address = url(server, certificates, client=client)
        async with connect(address) as redis:
            await check(redis)
        app = celery_app(Settings(redis_url=address, broker_url=address))
        await wake_workers(app, BATCHES)
        assert (await waiting_wakeups(app)).bulk >= 1
        pools.reset()
