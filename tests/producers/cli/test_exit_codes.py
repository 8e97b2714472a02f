import pytest

from tests.kit.producers import CAMPAIGN, SETTINGS, Run, WriteFile
from times_dispatch.demo.redis_server import EmbeddedServer

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
        ("customers.csv", "to,name,amount\n12,Asha,5\n", "customers.csv: no row can be sent to"),
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


def test_redis_away_or_locked_is_one_line_without_the_password(run: Run, locked_redis: EmbeddedServer) -> None:
    with locked_redis:
        port = locked_redis.port
        url = f"redis://:wrong-password@127.0.0.1:{port}/0"
        locked = run("--redis-url", url, *SUBMIT)
        let_in = run("--redis-url", locked_redis.url, *SUBMIT)
    away = run("--redis-url", url, *SUBMIT)

    assert (locked.exit_code, let_in.exit_code, away.exit_code) == (2, 0, 2)
    assert locked.stderr == f"Redis at 127.0.0.1:{port} refused the password\n"
    assert away.stderr == f"Redis at 127.0.0.1:{port} is away: no connection\n"


@pytest.mark.parametrize(
    "command", ["pause {}", "resume {}", "cancel {}", "show {}", "watch {}", "resolve {} --as sent", "budget {} 5"]
)
def test_a_campaign_that_nobody_knows_is_one_line(run: Run, command: str) -> None:
    done = run(*command.format("nobody00").split())
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert "nobody00" in done.stderr
