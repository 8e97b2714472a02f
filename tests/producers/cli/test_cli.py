import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from producers.cli import COMMANDS, main
from tests.kit.field import check_values, csv_with
from tests.kit.producers import Run


def test_wrong_usage_gets_exit_code_2(run: Run) -> None:
    for arguments in (["submit"], ["submit", "campaign.toml"], ["sumbit"], ["--nothing"]):
        assert run(*arguments).exit_code == 2


@pytest.mark.processes
def test_help_names_the_commands_without_importing_them() -> None:
    script = "import sys; from producers.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)

    assert "Check a campaign and its recipients" in done.stdout
    modules = set(done.stdout.splitlines()[-1].split())
    assert not modules & {"redis", "celery", "pydantic", "rich", "pyarrow", "producers.cli.submit"}


def test_every_command_can_be_imported_and_has_help() -> None:
    for name in COMMANDS:
        done = CliRunner().invoke(main, [name, "--help"])
        assert done.exit_code == 0, name
        assert f"{name} " in done.output


def test_a_misspelled_command_gets_the_most_similar_command(run: Run) -> None:
    refused = run("lsit")
    assert refused.exit_code == 2
    assert "No such command 'lsit'." in refused.stderr
    assert "Did you mean" in refused.stderr
    assert refused.stderr.count("Did you mean") == 1
    assert "list" in refused.stderr.partition("Did you mean")[2]


def test_the_short_option_for_help_is_taken_by_every_command(run: Run) -> None:
    for arguments in (["-h"], ["show", "-h"], ["sender", "rate", "-h"]):
        assert run(*arguments).stdout.startswith("Usage: "), arguments


def _modules_after(redis_url: str, *arguments: str) -> set[str]:
    """Return the names of the modules that a process has imported when a command has ended."""
    script = (
        "import sys; from producers.cli import main; main(sys.argv[1:], standalone_mode=False); print(*sys.modules)"
    )
    command = [sys.executable, "-c", script, "--redis-url", redis_url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.processes
def test_show_imports_neither_the_settings_file_nor_a_provider(submitted: str, redis_url: str) -> None:
    modules = _modules_after(redis_url, "show", submitted)

    others = {"celery", "httpx", "phonenumbers", "pydantic", "pyarrow", "structlog"}
    assert modules & {*others, "producers.recipients.formats", "times_dispatch.settings.load"} == set()


@pytest.mark.processes
@pytest.mark.parametrize("command", ["list", "show", "number"])
def test_json_imports_no_tables_exports_or_ciphers(submitted: str, redis_url: str, command: str) -> None:
    arguments = {"list": [], "show": [submitted], "number": ["9876543210"]}[command]

    modules = _modules_after(redis_url, command, *arguments, "--json")

    others = {"pyarrow", "rich", "cryptography.hazmat.primitives.ciphers.aead", "producers.export.files"}
    assert modules & {*others, "producers.export.rows", "producers.opt_out_import"} == set()


@pytest.mark.processes
def test_number_imports_no_settings_tables_or_phone_numbers_of_the_world(submitted: str, redis_url: str) -> None:
    modules = _modules_after(redis_url, "number", "9000000001")

    others = {"celery", "httpx", "phonenumbers", "pydantic", "pyroaring", "rich", "structlog"}
    others |= {"cryptography.hazmat.primitives.ciphers.aead", "producers.recipients", "times_dispatch.settings.load"}
    assert modules & others == set()


_RUN = [sys.executable, "-c", "from producers.cli import main; main()"]


@pytest.mark.processes
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--json"], ["show", "last"]], ids=" ".join)
def test_a_full_device_for_the_output_ends_in_one_line(submitted: str, redis_url: str, arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*_RUN, "--redis-url", redis_url, *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "the output cannot be written: no space left on device"
    assert "Traceback" not in done.stderr


@pytest.mark.processes
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_device_for_the_notes_stops_no_command(run: Run, submitted: str, redis_url: str, tmp_path: Path) -> None:
    half_edited = tmp_path / "half-edited.toml"
    half_edited.write_text("[senders.X\nrate = ")

    def exit_code(*arguments: str) -> int:
        command = [*_RUN, "--redis-url", redis_url, "--settings", str(half_edited), *arguments]
        with Path("/dev/full").open("w") as full:
            return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full, timeout=120, check=False).returncode

    assert exit_code("pause", "last") == 0  # it writes a note about the settings, and another about the id
    assert json.loads(run("show", submitted, "--json").stdout)["state"] == "paused"
    assert (exit_code("pause", "nobody00"), exit_code("lsit")) == (2, 2)


@pytest.mark.processes
def test_a_full_pipe_that_does_not_block_keeps_the_exit_code() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader), os.fdopen(writer, "wb", buffering=0) as pipe:
        while pipe.write(b"x") is not None:
            pass
        done = subprocess.run([*_RUN, "lsit"], stdout=subprocess.PIPE, stderr=pipe, timeout=120, check=False)

    assert (done.returncode, done.stdout) == (2, b"")


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["show", "last"]], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_without_a_traceback(
    submitted: str, redis_url: str, arguments: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*_RUN, "--redis-url", redis_url, *arguments]
    try:
        done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    finally:
        os.close(writing)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.processes
def test_a_command_whose_output_is_closed_runs_without_a_traceback(submitted: str, redis_url: str) -> None:
    command = [*_RUN, "--redis-url", redis_url, "pause", submitted]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.processes
@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_command_whose_input_is_closed_runs(tmp_path: Path, closed: str) -> None:
    recipients = csv_with(tmp_path / "a.csv", "Asha")
    check_values(recipients)  # writes the settings and the campaign
    command = [*_RUN, "check", "campaign.toml", "--no-redis", "--recipients", "a.csv"]
    done = subprocess.run(["/bin/sh", "-c", f'"$@" {closed}', "sh", *command], cwd=tmp_path, timeout=120, check=False)

    assert done.returncode == 0


def _helps(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    context = click.Context(command, info_name="dispatch")
    yield path, CliRunner().invoke(main, [*path, "--help"], terminal_width=80).output
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _helps(child, (*path, name))


def test_no_help_is_cut_or_holds_words_of_the_code() -> None:
    helps = dict(_helps(main))
    assert ("sender", "rate") in helps
    assert [path for path, text in helps.items() if "``" in text or "%Y" in text or "DEADLETTER" in text] == []
    cut = {path: [line for line in text.splitlines() if line.endswith(("...", "…"))] for path, text in helps.items()}
    usage = {path: [line for line in lines if not line.startswith("Usage: ")] for path, lines in cut.items()}
    assert {path: lines for path, lines in usage.items() if lines} == {}


def _path_types(command: click.Command) -> Iterator[tuple[str, click.Path]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            part = command.get_command(context, name)
            assert part
            yield from _path_types(part)
    for parameter in command.params:
        types = parameter.type.types if isinstance(parameter.type, click.Tuple) else [parameter.type]
        yield from ((f"{command.name} {parameter.name}", kind) for kind in types if isinstance(kind, click.Path))


def test_no_path_is_refused_by_click_in_place_of_the_command_that_reads_it() -> None:
    """People who may not read ``dispatch.toml`` can still pause; the command reports an unreadable file in one line."""
    paths = list(_path_types(main))
    assert len(paths) > 10
    assert [name for name, kind in paths if kind.readable] == []


def test_a_recipients_file_that_may_not_be_read_is_bad_input(
    run: Run, submitted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != "customers.csv" and access(path, mode))
    done = run("check", "campaign.toml", "--recipients", "customers.csv")
    assert (done.exit_code, done.stderr) == (2, "customers.csv: cannot be read: permission denied\n")
