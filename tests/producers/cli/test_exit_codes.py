import pytest
from redis import exceptions

from producers.cli.exit_codes import exit_for
from producers.errors import CommandFailed, InputInvalid
from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile
from times_dispatch.demo.redis_server import EmbeddedServer
from times_dispatch.ledger.errors import CampaignUnknown

SUBMIT = ("submit", "campaign.toml", "--recipients", "customers.csv")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("campaign.toml", CAMPAIGN.replace("TIMESM", "TIMESN"), "campaign.toml:2: sender: there is no sender TIMESN"),
        ("campaign.toml", CAMPAIGN.replace("{name}", "{nam}"), "campaign.toml:4: variables.0: customers.csv has no"),
        ("campaign.toml", None, "campaign.toml: no such file"),
        ("customers.csv", None, "customers.csv: no such file"),
        ("customers.csv", "", "customers.csv: is empty"),
        ("customers.csv", "number,name\n1,2\n", "customers.csv:1: no column named to"),
        ("customers.csv", b"to,name,amount\n98,Andr\xe9,5\n", "customers.csv:2: is not UTF-8"),
        ("customers.csv", "to,name,amount\n12,Asha,5\n", "customers.csv: no row can be used"),
        ("dispatch.toml", SETTINGS.replace("rate_per_s = 500", "rate_per_s = -1"), "dispatch.toml:8: senders.TIMESM."),
        ("dispatch.toml", None, "dispatch.toml: there is no such file"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(
    run: Run, write: WriteFile, name: str, content: str | bytes | None, message: str
) -> None:
    path = write(name, content or "")
    if content is None:
        path.unlink()

    done = run(*SUBMIT)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


@pytest.fixture
def locked_redis() -> "EmbeddedServer":
    """A server with a password."""
    return EmbeddedServer(password="correct horse")


@pytest.mark.processes
def test_an_unreachable_or_locked_redis_gives_one_line_without_the_password(
    run: Run, locked_redis: EmbeddedServer
) -> None:
    with locked_redis:
        port = locked_redis.port
        url = f"redis://:wrong-password@127.0.0.1:{port}/0"
        locked = run("--redis-url", url, *SUBMIT)
        let_in = run("--redis-url", locked_redis.url, *SUBMIT)
    away = run("--redis-url", url, *SUBMIT)

    assert (locked.exit_code, let_in.exit_code, away.exit_code) == (2, 0, 2)
    assert locked.stderr == f"Redis at 127.0.0.1:{port} refused the password\n"
    assert away.stderr == f"Redis at 127.0.0.1:{port} is unavailable: no connection\n"


@pytest.mark.parametrize(
    "command", ["pause {}", "resume {}", "cancel {}", "show {}", "watch {}", "resolve {} --as sent", "budget {} 5"]
)
def test_an_unknown_campaign_gives_one_line(run: Run, command: str) -> None:
    done = run(*command.format("nobody00").split())
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "nobody00" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputInvalid("first", "second"), 2, "first\nsecond"),
        (CommandFailed("a file changed"), 1, "a file changed"),
        (CampaignUnknown("nobody00"), 2, "nobody00"),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), 1, "a.csv: no such file or directory"),
        (exceptions.ConnectionError("10.0.0.1"), 2, "Redis closed the connection; run the same command again"),
        (exceptions.TimeoutError("10.0.0.1"), 2, "Redis did not answer in time; run the same command again"),
        (exceptions.OutOfMemoryError("x"), 2, "Redis has no memory left: raise its maxmemory; run the same"),
        (
            exceptions.ResponseError("MISCONF x"),
            2,
            "Redis cannot be used now (ResponseError); run the same command again",
        ),
        (
            exceptions.TryAgainError("x"),
            2,
            "Redis is moving data that are needed here to another node of the cluster; run the same command again",
        ),
        (
            exceptions.ClusterDownError("x"),
            2,
            "Redis is a cluster in which no node serves data that are needed here; run the same command again",
        ),
        (exceptions.ReadOnlyError("x"), 2, "Redis has become a replica and cannot be written to; run the same"),
        (
            exceptions.ResponseError("WRONGTYPE x"),
            1,
            "what the ledger holds here is damaged; restore it (docs/operations.md)",
        ),
    ],
)
def test_each_known_error_has_its_exit_code_and_message(error: Exception, code: int, message: str) -> None:
    known = exit_for(error)

    assert known
    assert known.exit_code == code
    assert known.message.startswith(message) or message in known.message
    assert "10.0.0.1" not in known.message


@pytest.mark.parametrize("error", [KeyError("x"), exceptions.DataError("x")])
def test_a_fault_of_the_program_is_no_known_error(error: Exception) -> None:
    assert exit_for(error) is None
