"""Hostile names in every command of ``dispatch`` cause no traceback, and write no control characters."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from redis import Redis as SyncRedis

from callbacks.dead_letters import DeadLetter, DeadLetterReason, DeadLetters
from producers.cli import main
from tests.kit.provider_settings import PROVIDER_SETTINGS, PROVIDER_VARIABLES
from times_dispatch.ledger.connection import connect
from times_dispatch.ledger.model import CampaignId, Plan
from times_dispatch.ledger.trail import TrailAction, packed_entry

MARKUP = "[/x][bold red]"
HOSTILE = f"{MARKUP}\x1b]0;owned\x07\u202ecod\u2066\x9b2J\n\u200b\udcff:smile:"
FILE = HOSTILE.replace("/", "")
ESCAPES = f"{MARKUP}\x1b]0;\u202e"
"""A hostile text that fits on one line of a file."""
PRINTABLE = "[/x][bold red] :smile:"
"""A hostile name of a campaign; the check of names allows no control characters."""
_RICH = re.compile(r"\r?\x1b\[[0-9;?]*[A-Za-z]")
"""Escapes of rich: colours and movements of the cursor. The hostile text has other escapes."""
MAX_OUTPUT = 5_000
"""The number of characters that one call of a command may write about its few hostile texts."""
_NUMBER = ("--country-code", "91", "--number", "9876543210")

Invoke = Callable[..., Result]


def _leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child
        yield from _leaves(child, (*path, name))


COMMANDS = [" ".join(path) for path in _leaves(main)]

CALLS: dict[str, list[tuple[str, ...]]] = {
    "init": [(f"{HOSTILE}",)],
    "doctor": [(), ("--connect",)],
    "status": [(), ("--json",)],
    "check": [
        ("good.toml",),
        ("good.toml", "--no-redis", "--json"),
        ("good.toml", "--rejects", FILE),
        ("bad.toml",),
        ("good.toml", "--recipients", FILE),
        ("good.toml", "--recipients", "absent" + FILE),
        (FILE,),
    ],
    "submit": [
        ("good.toml", "--again"),
        ("good.toml",),
        ("good.toml", "--json"),
        ("bad.toml",),
        ("good.toml", "--recipients", FILE, "--again"),
        ("good.toml", "--rejects", f"{FILE}/{FILE}", "--again"),
        (FILE,),
    ],
    "alerts list": [(), ("--json",), ("--ended", "5")],
    "alerts test": [(), (HOSTILE,)],
    "complaints add": [("TIMESM", "C-1"), ("TIMESM", HOSTILE), (HOSTILE, "C-2"), ("TIMESM", "C-3", "--on", HOSTILE)],
    "complaints remove": [("TIMESM", HOSTILE), ("TIMESM", "C-1")],
    "complaints list": [(), ("--json",), ("--sender", HOSTILE)],
    "list": [(), ("--json",), ("--ended", HOSTILE)],
    "show": [("@",), ("@", "--json"), ("@", "--export", "pending", FILE + ".out"), (HOSTILE,)],
    "stats": [
        (),
        ("--campaign", "@", "--json"),
        ("--campaign", HOSTILE),
        ("--sender", HOSTILE, "--provider", HOSTILE, "--template", HOSTILE),
        ("--day", HOSTILE),
        ("--by", "sender", "--csv"),
        ("--recount",),
    ],
    "report": [
        ("@", "--out", "-", "--numbers"),
        ("@", "--out", "-", "--format", "jsonl"),
        ("@", "--out", FILE + ".xlsx"),
        ("@", "--out", FILE + ".parquet", "--code", HOSTILE),
        ("@", "--out", "-", "--recipients", FILE),
        ("--since", HOSTILE, "--out", FILE),
        (HOSTILE, "--out", FILE),
    ],
    "number": [("9876543210",), ("9876543210", "--json"), (HOSTILE,)],
    "watch": [("@", "--timeout", "0.1"), (HOSTILE,), ("@", "--timeout", HOSTILE)],
    "pause": [("@", "--reason", HOSTILE), (HOSTILE,), ("--all",), ("--all", "--yes"), ("--sender", HOSTILE)],
    "resume": [("@",), (HOSTILE,), ("--all",), ("--all", "--yes"), ("--sender", HOSTILE)],
    "cancel": [("@",), ("@", "--yes"), (HOSTILE,)],
    "budget": [("@", "5"), (HOSTILE, "5"), ("@", HOSTILE)],
    "resolve": [
        ("@", "--as", "sent", "--force"),
        ("@", "--as", "resend"),
        ("@", "--as", "resend", "--yes"),
        (HOSTILE, "--as", "sent", "--force"),
    ],
    "resend": [
        ("@", "--state", "failed", "--dry-run"),
        ("@", "--state", "failed", "--code", HOSTILE),
        ("@", "--in-doubt", "--yes", "--json"),
        ("@", "--state", "failed", "--again", "--salt", HOSTILE, "--yes"),
        (HOSTILE, "--state", "failed"),
    ],
    "sender list": [(), ("--json",)],
    "sender rate": [("TIMESM", "5"), ("TIMESM", "9999"), (HOSTILE, "5"), ("TIMESM", HOSTILE)],
    "sender pause": [("TIMESM",), (HOSTILE,)],
    "sender resume": [("TIMESM",), (HOSTILE,)],
    "optout add": [("9876543210",), (HOSTILE,)],
    "optout remove": [("9876543210",), (HOSTILE,)],
    "optout import": [(FILE,), (FILE, "--column", HOSTILE), ("good.csv", "--json"), ("absent" + FILE,)],
    "optout export": [(FILE + ".numbers",), (f"{FILE}/{FILE}",)],
    "optout count": [(), ("--json",)],
    "template import": [("portal.csv",), ("portal.csv", "--json"), ("portal.csv", "--sender", HOSTILE), (FILE,)],
    "template list": [(), ("--json",), ("--sender", HOSTILE)],
    "template check": [(), (HOSTILE,)],
    "provider list": [(), ("--json",)],
    "provider check": [(), ("--json",), (HOSTILE,), ("--connect",)],
    "send-test": [
        (*_NUMBER, "--message", HOSTILE),
        (*_NUMBER, "--message", HOSTILE, "--json"),
        (*_NUMBER, "--message", "x", "--sender", HOSTILE),
        (*_NUMBER, "--message", "x", "--provider", HOSTILE),
        (*_NUMBER, "--message", "x", "--template", HOSTILE),
        (*_NUMBER, "--message", "x", "--custom", f"{HOSTILE}=1"),
        (*_NUMBER, "--message", "x", "--custom", HOSTILE),
    ],
    "archive run": [(), ("--json",), ("--older-than", HOSTILE)],
    "archive list": [(), ("--json",)],
    "archive verify": [(), ("@",), (HOSTILE,)],
    "archive erase": [("@",), ("@", "--yes"), (HOSTILE, "--yes")],
    "archive rewrap": [()],
    "archive rebuild": [(), ("--json",)],
    "forget": [("9876543210",), ("9876543210", "--unsealed", "--yes"), (HOSTILE, "--yes")],
    "console user list": [(), ("--json",), ("--file", HOSTILE)],
    "console user add": [(HOSTILE, "--role", "viewer", "--by-proxy"), ("asha", "--role", HOSTILE)],
    "console user remove": [(HOSTILE,), (HOSTILE, "--file", HOSTILE)],
    "audit": [(), ("--json",), ("@",), (HOSTILE,), ("--sender", HOSTILE), ("--since", HOSTILE), ("--max", HOSTILE)],
    "callback-url": [("timesmobile",), (HOSTILE,)],
    "reports rejected": [(), ("--json",), ("--reason", HOSTILE)],
    "reports waiting": [(), ("--json",)],
    "reports replay": [(), ("--reason", HOSTILE)],
    "sandbox": [("--config", FILE), ("--config", "sandbox.toml"), ("--port", HOSTILE)],
}
"""Arguments of every command; ``@`` stands for the id of the hostile campaign. Each call handles hostile data."""


class _HostileProvider(BaseHTTPRequestHandler):
    """Answers every request with a hostile reason."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = json.dumps({"statusCode": 2054, "state": ESCAPES, "description": ESCAPES}, ensure_ascii=False).encode()
        self.send_response(400)
        self.send_header("X-Reason", ESCAPES.encode().decode("latin-1"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_OPTIONS(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def provider_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _HostileProvider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


SETTINGS = """
[registry]
templates = "templates.toml"

[templates.odd]
sender = "TIMESM"
content_id = "1107161786534401930"
text = "[/x][bold red] {#var#}\\u001b]0; it is \\u202e ours"
"""
GOOD = f"""
name = "{PRINTABLE}"
sender = "TIMESM"
template = "shipped"
variables = ["{{[/x]name}}"]
recipients = "good.csv"
custom = {{ route = "1" }}
"""
BAD = r"""
"[/x]\u001b]0;" = 1
name = "[/x]\u001b]0;"
sender = "[/x]\u202e"
template = "[/x]\u001b]0;\n"
"""
FILES = {
    "good.toml": GOOD,
    "bad.toml": BAD,
    "good.csv": f"to,[/x]name,{ESCAPES}\n9000000001,Asha,1\n9000000002,{ESCAPES},1\nx,y,z\n",
    FILE: f"{ESCAPES},\x9b2J\n{ESCAPES},1\n",
    "portal.csv": "Template ID,Template Name,Header,Template Type,Template Content,Status\n"
    f"1107161786534401928,{ESCAPES},TIMESM,Service Implicit,{ESCAPES},Approved\n"
    f"1107161786534401929,{ESCAPES},{ESCAPES},Service Implicit,x,{ESCAPES}\n",
    "sandbox.toml": r'"[/x]\u001b]0;\u202e" = 1',
    "templates.toml": "",
}


@pytest.fixture
def hostile(tmp_path: Path, redis_url: str, provider_url: str, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs the command line with hostile texts in files, provider and ledger."""
    monkeypatch.chdir(tmp_path)
    for name, content in {**FILES, "dispatch.toml": PROVIDER_SETTINGS.format(url=provider_url) + SETTINGS}.items():
        (tmp_path / name).write_text(content, "utf-8", "surrogateescape")
    environment = {**PROVIDER_VARIABLES, "DISPATCH_REDIS_URL": redis_url}

    def invoke(*arguments: str, **more: str) -> Result:
        return CliRunner(env={**environment, **more}).invoke(main, arguments)

    submitted = invoke("submit", "good.toml", "--json")
    assert submitted.exit_code == 0, submitted.output
    campaign = json.loads(submitted.stdout)["campaign"]
    with SyncRedis.from_url(redis_url) as redis:
        _make_hostile(redis, campaign)
    asyncio.run(_add_dead_letter(redis_url))
    return lambda *arguments, **more: invoke(*(campaign if word == "@" else word for word in arguments), **more)


def _make_hostile(redis: SyncRedis, campaign: str) -> None:
    """Write hostile texts to the ledger that another program or an older version could have written."""
    text = HOSTILE.replace("\udcff", "")
    key = f"{{TIMESM}}:c:{campaign}"
    stored = redis.hget(key, "plan")
    assert isinstance(stored, bytes)
    plan = msgspec.structs.replace(msgspec.json.decode(stored, type=Plan), name=text, template=text)
    redis.hset(key, mapping={"plan": msgspec.json.encode(plan), "reason": text})
    redis.hset(key + ":codes", mapping={"push:2054": 1})
    redis.hset("{TIMESM}:sender", mapping={"timesmobile:brake": text, "other:brake": text})
    redis.xadd(
        "{TIMESM}:trail", {"entry": packed_entry(text, TrailAction.PAUSED, campaign=CampaignId(campaign), detail=text)}
    )
    redis.hset("campaigns", text, "TIMESM")
    redis.sadd("{TIMESM}:live", text)
    redis.sadd("senders", text, b"\xff\xfe")
    redis.hset("{TIMESM}:sender", b"\xff:brake", b"\xfe")


async def _add_dead_letter(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        detail = HOSTILE.replace("\udcff", "")
        await DeadLetters(redis).add([DeadLetter(DeadLetterReason.FORGED, b"x", detail)])


def _control_characters(text: str) -> list[str]:
    """Return the characters of an output that must not reach a terminal."""
    plain = _RICH.sub("", text)
    return [char for char in plain if not (char.isprintable() or char in "\n\t\u200c\u200d")]


def test_the_calls_name_every_command() -> None:
    assert sorted(CALLS) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "terminal",
    [
        pytest.param("", id="a file", marks=pytest.mark.slow),  # four seconds; the other case has the same texts
        pytest.param("1", id="a terminal"),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_names_end_no_command_in_a_traceback_and_steer_no_terminal(
    hostile: Invoke, command: str, terminal: str
) -> None:
    options = {"FORCE_COLOR": terminal} if terminal else {}
    calls, longest = 0, 0
    for arguments in [*CALLS[command], (f"--{HOSTILE}",), (HOSTILE,) * 9]:
        done = hostile(*command.split(), *arguments, **options)
        assert done.exception is None or isinstance(done.exception, SystemExit), (arguments, done.exception)
        assert _control_characters(done.stdout + done.stderr) == [], arguments
        calls, longest = calls + 1, max(longest, len(done.stdout + done.stderr))
    print(f"dispatch {command}: {calls} calls, {longest:,} characters at most, no control characters")  # noqa: T201
    assert longest < MAX_OUTPUT


@pytest.mark.parametrize("command", ["list", "show @", "watch @ --timeout 0.1", "sender list", "reports rejected"])
def test_hostile_texts_are_shown_as_they_are_with_escapes_for_control_characters(hostile: Invoke, command: str) -> None:
    done = hostile(*command.split())
    shown = done.stdout + done.stderr
    assert "[/x][bold" in shown
    assert "\\u001b]0;owned\\u0007\\u202ecod\\u2066\\u009b2J\\n\\u200b:smile:" in shown


def test_a_json_output_keeps_the_texts(hostile: Invoke) -> None:
    [shown] = [item for item in json.loads(hostile("list", "--json").stdout) if item["state"] == "running"]
    assert shown["name"] == HOSTILE.replace("\udcff", "")


def test_a_terminal_without_the_letters_of_india_gets_escapes(hostile: Invoke, tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "hindi.toml").write_text((tmp_path / "good.toml").read_text().replace("[/x][bold", "दीवाली"), "utf-8")
    runner = CliRunner(charset="latin-1", env={**PROVIDER_VARIABLES, "DISPATCH_REDIS_URL": redis_url})
    done = runner.invoke(main, ["check", "hindi.toml"])
    assert "campaign  \\u0926" in done.stdout, done.exception
