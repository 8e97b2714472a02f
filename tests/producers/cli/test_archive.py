import asyncio
import csv
import errno
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis as SyncRedis

from tests.kit.archive import ended_campaign
from tests.kit.ledger import CAMPAIGN, Ledger
from tests.kit.producers import SETTINGS, Run
from times_dispatch.ledger.connection import connect

KEY = "0123456789abcdef0123"


@pytest.fixture
def ended(run: Run, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings with an archive, and a campaign that ended."""
    (tmp_path / "dispatch.toml").write_text(f'{SETTINGS}\n[retention]\npath = "{tmp_path}/archive"\nlive = "1s"\n')
    monkeypatch.setenv("DISPATCH_ARCHIVE_KEY", KEY)

    async def make() -> str:
        async with connect(redis_url) as redis:
            return await ended_campaign(Ledger(redis))

    return asyncio.run(make())


READS = [
    ("show", CAMPAIGN, "--json"),
    ("show", "diwali-sale"),
    ("list", "--json"),
    ("stats", "--campaign", CAMPAIGN, "--json"),
    ("stats", "--json"),
    ("report", CAMPAIGN, "--out", "-", "--numbers"),
    ("report", CAMPAIGN, "--out", "-", "--format", "jsonl", "--state", "failed"),
    ("report", "--since", "7d", "--out", "-"),
    ("number", "919800000001", "--json"),
    ("number", "919800000000"),
    ("audit", CAMPAIGN, "--json"),
]


def without_archiving(output: str) -> Any:
    """Return an output without the entry about the archiving itself."""
    try:
        value = json.loads(output)
    except ValueError:
        return "\n".join(line for line in output.splitlines() if " archived by " not in line)
    entries = value if isinstance(value, list) else value.get("trail", [])
    entries[:] = [entry for entry in entries if entry.get("action") != "archived"]
    return value


def archive_all(run: Run) -> None:
    done = run("archive", "run", "--older-than", "0s")
    assert (done.exit_code, done.stdout) == (0, "1 campaign archived with 7 messages\n"), done.output


@pytest.mark.parametrize("command", READS, ids=" ".join)
def test_a_command_that_reads_prints_the_same_before_and_after_the_archiving(
    run: Run, ended: str, command: tuple[str, ...]
) -> None:
    before = run(*command)
    assert before.exit_code == 0, before.output
    archive_all(run)
    after = run(*command)
    assert (after.exit_code, without_archiving(after.stdout)) == (0, without_archiving(before.stdout)), after.output


def test_a_recount_goes_over_the_archives_too(run: Run, ended: str) -> None:
    archive_all(run)
    done = run("stats", "--recount")
    assert (done.exit_code, done.stdout) == (
        0,
        "7 messages of 1 campaign recounted\nall counters are equal to the recount\n",
    )


def test_rows_are_exported_to_a_csv_from_the_archive(run: Run, ended: str) -> None:
    archive_all(run)
    assert run("show", CAMPAIGN, "--export", "failed", "failed.csv", "--numbers").exit_code == 0
    rows = list(csv.DictReader(io.StringIO(Path("failed.csv").read_text("utf-8"))))
    assert [(row["to"], row["var1"], row["code"]) for row in rows] == [("919800000001", "name 1", "910")]


def test_archives_are_listed_and_verified(run: Run, ended: str) -> None:
    assert run("archive", "list").stdout == "no campaign is archived\n"
    archive_all(run)
    [archive] = json.loads(run("archive", "list", "--json").stdout)
    assert (archive["id"], archive["name"], archive["state"]) == (CAMPAIGN, "diwali-sale", "archived")
    assert CAMPAIGN in run("archive", "list").stdout
    done = run("archive", "verify")
    assert (done.exit_code, done.stdout) == (0, "1 archive with 7 messages verified, 0 wrong\n")
    [rows] = Path("archive").rglob("*.parquet")
    rows.write_bytes(rows.read_bytes()[:-100])
    done = run("archive", "verify", CAMPAIGN)
    assert done.exit_code == 1
    assert done.stderr == f"archive {CAMPAIGN}: its rows cannot be decrypted\n"
    assert done.stdout == "0 archives with 0 messages verified, 1 wrong\n"


@pytest.mark.parametrize(
    "is_there", [True, False], ids=["an empty folder, as of a disk that is not mounted", "no folder"]
)
def test_an_archive_whose_folder_is_away_is_not_called_wrong(run: Run, ended: str, *, is_there: bool) -> None:
    archive_all(run)
    folder, away = Path("archive"), Path("away")
    folder.rename(away)
    if is_there:
        folder.mkdir()
    for named in ((), (CAMPAIGN,)):
        done = run("archive", "verify", *named)
        assert (done.exit_code, done.stdout) == (
            3,
            "0 archives with 0 messages verified, 0 wrong, 1 could not be read\n",
        )
        assert done.stderr == f"archive {CAMPAIGN}: {folder.resolve()} is missing or empty; is it mounted?\n"
    if is_there:
        folder.rmdir()
    away.rename(folder)
    assert run("archive", "verify").exit_code == 0


@pytest.mark.parametrize("state", ["unreachable", "damaged"])
def test_a_list_tells_an_archive_that_is_away_from_one_that_is_damaged(run: Run, ended: str, state: str) -> None:
    archive_all(run)
    if state == "unreachable":
        Path("archive").rename("away")
        reason = f"archive {CAMPAIGN}: {Path('archive').resolve()} is missing or empty; is it mounted?"
        advice = "the archive cannot be reached (docs/retention.md)"
    else:
        [manifest] = Path("archive").rglob("*.json")
        manifest.write_bytes(b"?")
        reason = f"archive {CAMPAIGN}: its manifest cannot be read"
        advice = "damaged in the archive, restore the files (docs/retention.md)"
    listed = run("list")
    assert (listed.exit_code, listed.stderr) == (0, f"{advice}: {CAMPAIGN}\n")
    assert f"{CAMPAIGN} TIMESM {state} {reason}" in " ".join(listed.stdout.split())
    [as_json] = json.loads(run("list", "--json").stdout)
    assert (as_json["state"], as_json["reason"]) == (state, reason)
    filtered = run("list", "--state", "finished")
    assert (CAMPAIGN in filtered.stderr, filtered.stdout) == (state == "unreachable", "no such campaign\n")
    [chosen] = json.loads(run("list", "--state", state, "--json").stdout)
    assert chosen["state"] == state
    assert f"left out: campaign {CAMPAIGN}: {reason}\n" in run("report", "--since", "7d", "--out", "-").stderr


def test_a_mistake_in_a_line_of_the_env_file_about_something_else_keeps_nobody_from_an_archive(
    run: Run, ended: str
) -> None:
    archive_all(run)
    Path(".env").write_text("DISPATCH_FLOWER_BASIC_AUTH=me:two words\n")
    for command in (["show", CAMPAIGN], ["report", CAMPAIGN, "--out", "-"]):
        assert run(*command).exit_code == 0, command


def test_an_archive_that_nobody_can_read_here_is_not_called_wrong(
    run: Run, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_all(run)
    monkeypatch.delenv("DISPATCH_ARCHIVE_KEY")
    done = run("archive", "verify")
    assert (done.exit_code, done.stdout) == (3, "0 archives with 0 messages verified, 0 wrong, 1 could not be read\n")
    assert "DISPATCH_ARCHIVE_KEY" in done.stderr


def test_a_lost_key_of_a_campaign_that_nobody_erased_is_wrong_and_an_erased_campaign_is_not(
    run: Run, ended: str
) -> None:
    archive_all(run)
    [key] = Path("archive").rglob("*.key")
    wrapped = key.read_bytes()
    key.unlink()
    done = run("archive", "verify")
    assert (done.exit_code, done.stdout) == (1, "0 archives with 0 messages verified, 1 wrong\n")
    assert "the key of its archive is destroyed" in done.stderr
    key.write_bytes(wrapped)
    assert run("archive", "erase", CAMPAIGN, "--yes").exit_code == 0
    assert run("archive", "verify").exit_code == 0
    done = run("archive", "verify", CAMPAIGN)
    assert (done.exit_code, done.stdout) == (3, "0 archives with 0 messages verified, 0 wrong, 1 could not be read\n")


def test_an_erasure_that_leaves_a_copy_of_the_key_says_so_and_may_be_repeated(
    run: Run, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_all(run)
    [key] = Path("archive").rglob("*.key")
    copy = key.with_name(f"{key.name}.0123.new")
    copy.write_bytes(key.read_bytes())
    opens = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if path == copy.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opens(path, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        done = run("archive", "erase", CAMPAIGN, "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"a copy of {key.name}, which a writer that died has left" in done.stderr
    assert not list(Path("archive").rglob("*.parquet"))
    assert run("archive", "erase", CAMPAIGN, "--yes").exit_code == 0
    assert not copy.exists()


@pytest.mark.parametrize("named", [(), (CAMPAIGN,)], ids=["all", "by its id"])
@pytest.mark.parametrize("change", [{"state": "?"}, None], ids=["a counter", "all"])
def test_a_manifest_that_cannot_be_read_is_one_wrong_archive(
    run: Run, ended: str, change: dict[str, str] | None, named: tuple[str, ...]
) -> None:
    archive_all(run)
    [path] = Path("archive").rglob("*.json")
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps({**manifest, "fields": {**manifest["fields"], **change}}) if change else "?")
    done = run("archive", "verify", *named)
    assert (done.exit_code, done.stdout) == (1, "0 archives with 0 messages verified, 1 wrong\n"), done.output
    assert "cannot be read" in done.stderr


def test_a_missing_manifest_among_other_files_is_wrong(run: Run, ended: str) -> None:
    archive_all(run)
    [manifest] = Path("archive").rglob("*.json")
    manifest.unlink()
    done = run("archive", "verify")
    assert (done.exit_code, done.stdout) == (1, "0 archives with 0 messages verified, 1 wrong\n")
    assert "its manifest is missing in" in done.stderr


def test_an_erased_archive_has_counters_and_no_message(run: Run, ended: str) -> None:
    shown = json.loads(run("show", CAMPAIGN, "--json").stdout)
    archive_all(run)
    refused = run("archive", "erase", CAMPAIGN)
    assert refused.exit_code == 2
    assert "are lost for good" in refused.stderr
    assert run("archive", "erase", CAMPAIGN, "--yes").exit_code == 0
    assert [path.suffix for path in Path("archive").rglob("*.*")] == [".json"]
    after = json.loads(run("show", CAMPAIGN, "--json").stdout)
    assert (after["states"], after["statistics"]) == (shown["states"], shown["statistics"])
    assert after["trail"][-1]["action"] == "archive erased"
    done = run("report", CAMPAIGN, "--out", "-")
    assert done.exit_code == 1
    assert "its archive was erased on" in done.stderr
    one_o_clock_in_india = datetime(2026, 11, 28, 19, 30, tzinfo=UTC)
    [manifest] = Path("archive").rglob("*.json")
    erased_ms = int(one_o_clock_in_india.timestamp() * 1000)
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"erased_ms": erased_ms}))
    assert "its archive was erased on 2026-11-29;" in run("report", CAMPAIGN, "--out", "-").stderr
    assert json.loads(run("number", "919800000001", "--json").stdout)["messages"] == []
    assert run("stats", "--recount").exit_code == 0
    assert "erased" in run("archive", "list").stdout


def test_without_the_key_counters_can_be_read_and_messages_cannot(
    run: Run, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_all(run)
    monkeypatch.delenv("DISPATCH_ARCHIVE_KEY")
    assert run("show", CAMPAIGN).exit_code == 0
    done = run("report", CAMPAIGN, "--out", "-")
    assert done.exit_code == 1
    assert "cannot be opened here without DISPATCH_ARCHIVE_KEY" in done.stderr
    assert "DISPATCH_ARCHIVE_KEY" in run("number", "919800000001").stderr
    done = run("archive", "run")
    assert done.exit_code == 2
    assert "DISPATCH_ARCHIVE_KEY: is not set (it wraps the keys of the archive)" in done.stderr


def test_the_master_key_is_changed_with_the_old_key_beside_the_new(
    run: Run, ended: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_all(run)
    monkeypatch.setenv("DISPATCH_ARCHIVE_KEY", "another key of the archive")
    assert "another key wrapped" in run("report", CAMPAIGN, "--out", "-").stderr
    monkeypatch.setenv("DISPATCH_ARCHIVE_KEY_OLD", KEY)
    assert run("report", CAMPAIGN, "--out", "-").exit_code == 0
    assert run("archive", "rewrap").stdout == "1 of 1 key wrapped anew\n"
    monkeypatch.delenv("DISPATCH_ARCHIVE_KEY_OLD")
    assert run("report", CAMPAIGN, "--out", "-").exit_code == 0
    assert run("archive", "rewrap").stdout == "0 of 1 key wrapped anew\n"


@pytest.mark.processes
@pytest.mark.parametrize("dies", ["os.fsync = lambda _: die()", "os.replace = lambda *_, **__: die()"])
def test_a_change_of_the_master_key_that_is_killed_leaves_no_copy_of_a_key_after_an_erasure(
    run: Run, ended: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    archive_all(run)
    monkeypatch.setenv("DISPATCH_REDIS_URL", redis_url)
    monkeypatch.setenv("DISPATCH_ARCHIVE_KEY", "another key of the archive")
    monkeypatch.setenv("DISPATCH_ARCHIVE_KEY_OLD", KEY)
    program = f"""
import os, signal
from producers.cli import main

def die():
    os.kill(os.getpid(), signal.SIGKILL)

{dies}
main(["archive", "rewrap"])
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=300)
    assert killed.returncode == -9
    assert len(list(Path("archive").rglob("*.key*"))) == 2
    assert run("report", CAMPAIGN, "--out", "-").exit_code == 0
    if "fsync" in dies:
        assert run("archive", "rewrap").stdout == "1 of 1 key wrapped anew\n"
        assert len(list(Path("archive").rglob("*.key*"))) == 1
    assert run("archive", "erase", CAMPAIGN, "--yes").exit_code == 0
    assert [path.suffix for path in Path("archive").rglob("*.*")] == [".json"]


def lose_redis(redis_url: str) -> None:
    with SyncRedis.from_url(redis_url) as redis:
        redis.flushall()


@pytest.mark.slow  # eight commands in each test: two seconds together
@pytest.mark.parametrize("command", [command for command in READS if command[0] != "audit"], ids=" ".join)
def test_a_command_that_reads_prints_the_same_after_the_loss_of_redis_and_a_rebuild(
    run: Run, ended: str, redis_url: str, command: tuple[str, ...]
) -> None:
    archive_all(run)
    before = run(*command)
    lose_redis(redis_url)
    assert run(*command).stdout != before.stdout
    done = run("archive", "rebuild")
    assert (done.exit_code, done.stdout) == (
        0,
        "1 campaign found again, 0 known already; 0 sealed records, 0 forgotten numbers\n",
    ), done.output
    after = run(*command)
    assert (after.exit_code, without_archiving(after.stdout)) == (0, without_archiving(before.stdout)), after.output
    again = run("archive", "rebuild", "--json")
    assert (json.loads(again.stdout)["restored"], json.loads(again.stdout)["known"]) == ([], 1)
    assert run("stats", "--recount").exit_code == 0


def test_an_erased_archive_is_found_again_as_erased(run: Run, ended: str, redis_url: str) -> None:
    archive_all(run)
    assert run("archive", "erase", CAMPAIGN, "--yes").exit_code == 0
    before = json.loads(run("stats", "--json").stdout)
    lose_redis(redis_url)
    assert run("archive", "rebuild").exit_code == 0
    assert "erased" in run("archive", "list").stdout
    assert "its archive was erased on" in run("report", CAMPAIGN, "--out", "-").stderr
    assert json.loads(run("stats", "--json").stdout) == before


def test_a_rebuild_names_what_it_cannot_read_and_finds_the_rest(run: Run, ended: str, redis_url: str) -> None:
    archive_all(run)
    damaged = Path("archive/damaged1")
    damaged.mkdir()
    (damaged / "1.json").write_text("{")
    Path("archive/begun0001").mkdir()
    lose_redis(redis_url)
    done = run("archive", "rebuild")
    assert done.exit_code == 1
    assert done.stdout.startswith("1 campaign found again, 0 known already")
    assert done.stderr == "archive damaged1: its manifest cannot be read\n"


def test_commands_that_change_a_campaign_refuse_an_archived_campaign_in_one_line(run: Run, ended: str) -> None:
    archive_all(run)
    for command in (
        ("cancel", CAMPAIGN, "--yes"),
        ("pause", CAMPAIGN),
        ("resume", CAMPAIGN),
        ("budget", CAMPAIGN, "5"),
        ("resolve", CAMPAIGN, "--as", "sent", "--force"),
        ("resend", CAMPAIGN, "--state", "failed", "--yes"),
        ("watch", CAMPAIGN, "--timeout", "1"),
    ):
        done = run(*command)
        assert done.exit_code in {1, 2}, command
        assert done.stderr.startswith(f"campaign {CAMPAIGN}: is archived; "), (command, done.output)


def test_without_retention_in_the_settings_nothing_is_archived(run: Run) -> None:
    done = run("archive", "run")
    assert done.exit_code == 2
    assert done.stderr.startswith("[retention] path: is not set in the settings")


def test_doctor_says_whether_the_folder_of_the_archive_can_be_reached(
    run: Run, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ID_KEY", "CALLBACK_SECRET", "PROVIDER_TM_USERNAME", "PROVIDER_TM_PASSWORD"):
        monkeypatch.setenv(f"DISPATCH_{name}", "0123456789abcdef")
    archive_all(run)
    assert f"archive    1 folder in {tmp_path}/archive" in run("doctor").stdout
    Path("dispatch.toml").write_text(f'{SETTINGS}\n[retention]\npath = "nowhere://x"\n')
    assert "archive    nowhere://x: is no folder that fsspec knows" in run("doctor").stdout


def test_a_campaign_that_is_not_archived_is_refused_as_such(run: Run, ended: str) -> None:
    for command in (("archive", "erase", CAMPAIGN, "--yes"), ("archive", "verify", CAMPAIGN)):
        refused = run(*command)
        assert refused.exit_code == 2
        assert refused.stderr == f"campaign {CAMPAIGN} is not archived; `dispatch archive list` shows what is\n"
