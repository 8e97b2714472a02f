"""The ledger's scripts: assembled from ``lua/``, with arguments and replies by name.

The first lines of a script name the libs of ``lua/lib/`` that the script uses (``-- uses: names keys``), and the first
lines of a lib name the libs that the lib uses. Redis 6.2 has no libraries for scripts, so the definitions that a script
needs are put before its text. In a lib, ``local`` stands at the beginning of the line of every definition, and ``end``
at the beginning of a function's last line. A script declares the names of its arguments with ``arguments`` and replies
with ``reply``, see ``lua/lib/names.lua``. Redis runs the whole text at every call, so constants and names are inlined
here.

``python -m times_dispatch.ledger.scripts open_block`` prints a script as Redis gets it, with the line numbers to which
Redis' error messages refer.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import resources
from itertools import chain
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

from times_dispatch.ledger.cluster.pipeline import IN_ORDER
from times_dispatch.ledger.keys import hash_tag
from times_dispatch.ledger.model import SenderId

Argument = str | bytes | int | float
Reply = dict[str, Any]

_FOLDER = resources.files("times_dispatch.ledger") / "lua"
_USES = re.compile(r"(?:-- uses: \w+(?: \w+)*\n)+")
_DECLARATION = re.compile(
    r"^local args = arguments\(\{(?P<names>[^{}]*)\}(?:,\s*\{(?P<tail>\w+) = \{(?P<of_item>[^{}]*)\}\})?\)",
    re.MULTILINE,
)
_NAME = re.compile(r"'(\w+)'")
_DEFINITION = re.compile(r"(?:^--.*\n)*^local (?:function [\s\S]*?\nend|.*)\n", re.MULTILINE)
_DEFINED = re.compile(r"\s*local (?:function )?(\w+(?:, \w+)*)")
_CONSTANT = re.compile(r"^local ([A-Z_]+) = ('[^']*'|\d+)$", re.MULTILINE)
_READ = re.compile(r"local (?P<name>\w+) = read_fields\((?P<key>[^,]+), (?P<fields>(?:'\w+',?\s*)+)\)")
_TOKEN = re.compile(r"--.*|'[^']*'|\w+")
_CUT = "\n--\n"
_COMMENT = re.compile(r"^ *--.*\n", re.MULTILINE)
_WORD = re.compile(r"\w+")

_replaced_libs = dict[str, str]()


def text(value: object) -> str:
    """Return a value of a reply of Redis (bytes, or a number) as text; bytes that are no UTF-8 become escapes."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


@contextmanager
def replaced_lib(name: str, source: str) -> Iterator[None]:
    """Use *source* in place of ``lua/lib/<name>.lua`` in every ``Script`` that is made inside this context.

    In this way a simulation or a test gives the scripts its own clock: its lib ``clock`` must define ``local function
    now_us()``, which returns microseconds since the epoch.
    """
    before = _replaced_libs.copy()
    _replaced_libs[name] = source
    assemble.cache_clear()
    try:
        yield
    finally:
        _replaced_libs.clear()
        _replaced_libs.update(before)
        assemble.cache_clear()


def script_names() -> list[str]:
    """Return the names of all scripts."""
    return sorted(file.name.removesuffix(".lua") for file in _FOLDER.iterdir() if file.name.endswith(".lua"))


def lib_names() -> list[str]:
    """Return the names of all libs."""
    return sorted(file.name.removesuffix(".lua") for file in (_FOLDER / "lib").iterdir())


@cache
def script_text(name: str) -> str:
    """Return the text of ``lua/<name>.lua``."""
    return (_FOLDER / f"{name}.lua").read_text("utf-8")


def lib_text(name: str) -> str:
    """Return the text of ``lua/lib/<name>.lua``, or the text that replaces it."""
    return _replaced_libs.get(name) or (_FOLDER / "lib" / f"{name}.lua").read_text("utf-8")


def used_libs(source: str) -> list[str]:
    """Return the names of the libs that the first lines of a script or lib name."""
    uses = _USES.match(source)
    return uses[0].replace("-- uses: ", "").split() if uses else []


@cache
def assemble(name: str) -> str:
    """Return a script as Redis gets it: the definitions that the script needs from its libs, and then the script."""
    return _assembled(script_text(name), tuple(_replaced_libs.items()))


@cache
def _assembled(source: str, replaced: tuple[tuple[str, str], ...]) -> str:
    """Assemble a script once for each set of replaced libs, because assembling takes some milliseconds."""
    libs, replaced_libs = dict[str, str](), dict(replaced)

    def add(lib: str) -> None:
        if lib not in libs:
            of_lib = replaced_libs.get(lib) or (_FOLDER / "lib" / f"{lib}.lua").read_text("utf-8")
            for used in used_libs(of_lib):
                add(used)
            libs[lib] = of_lib

    for lib in used_libs(source):
        add(lib)
    definitions = chain.from_iterable(map(_definitions, libs.values()))
    whole = _inline_names(_inline_constants(_CUT.join([*definitions, source])))
    *of_libs, source = whole.split(_CUT)
    return "\n".join([*_needed(source, of_libs), source])


def _definitions(lib: str) -> list[str]:
    """Cut a lib into its definitions, each with the comment before it."""
    return [match[0] for match in _DEFINITION.finditer(lib)]


def _needed(source: str, definitions: Sequence[str]) -> list[str]:
    """Return only the definitions that a script needs, in order, because Redis runs all definitions at every call."""
    needed, words = list[str](), set(_WORD.findall(_without_comments(source)))
    for definition in reversed(definitions):
        code = _without_comments(definition)
        if words.intersection(_defined(code)):
            needed.append(definition)
            words.update(_WORD.findall(code))
    return needed[::-1]


def _inline_constants(source: str) -> str:
    """Inline constants, because a named constant costs time at every call, for each function that uses the constant."""
    constants = dict(_CONSTANT.findall(source))
    source = _CONSTANT.sub(r"-- \1 = \2", source)
    return _TOKEN.sub(lambda match: constants.get(match[0], match[0]), source)


def _inline_names(source: str) -> str:
    """Inline the calls of ``arguments``, and the calls of ``read_fields`` in which all fields are quoted."""

    def arguments(call: re.Match[str]) -> str:
        named = _by_name("ARGV", call["names"])
        if not call["tail"]:
            return f"local args = {named}"
        before = len(_NAME.findall(call["names"]))
        return f"local args = {named} args.{call['tail']} = further_arguments({before}, {{{call['of_item']}}})"

    def fields(call: re.Match[str]) -> str:
        name, names = call["name"], call["fields"]
        return f"local {name} = redis.call('HMGET', {call['key']}, {names}) {name} = {_by_name(name, names)}"

    return _READ.sub(fields, _DECLARATION.sub(arguments, source))


def _by_name(values: str, names: str) -> str:
    """Return the Lua code of a table that has the entries of a list by these names."""
    entries = (f"{name} = {values}[{position}]" for position, name in enumerate(_NAME.findall(names), 1))
    return "{" + ", ".join(entries) + "}"


def _defined(code: str) -> list[str]:
    """Return the names that a definition defines."""
    match = _DEFINED.match(code)
    return _WORD.findall(match[1]) if match else []


def _without_comments(source: str) -> str:
    return _COMMENT.sub("", source)


class Declaration(NamedTuple):
    """The arguments that a script declares."""

    names: tuple[str, ...]
    tail: str
    """The name of the list that takes all further arguments; empty if there is none."""
    of_item: tuple[str, ...]
    """The names in each item of this list. If there is only one name, an item is a plain value."""


@cache  # each client of the ledger makes its own script objects
def declaration(source: str) -> Declaration:
    """Read the arguments that a script declares from the script's text."""
    declared = _DECLARATION.search(source)
    if not declared:
        return Declaration((), "", ())
    return Declaration(
        tuple(_NAME.findall(declared["names"])),
        declared["tail"] or "",
        tuple(_NAME.findall(declared["of_item"] or "")),
    )


def read_reply(flat: Sequence[Any]) -> Reply:
    """Read a reply that ``reply`` in ``lua/lib/names.lua`` made, a list of alternating names and values."""
    names = iter(flat)
    return {name.decode(): value for name, value in zip(names, names, strict=True)}


class Script:
    """One script of ``lua/``.

    A call sends EVALSHA; if the server does not have the script, the call sends the script's text.
    """

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name
        self._replaced_libs = tuple(_replaced_libs.items())
        self._names, self._tail, self._of_item = declaration(script_text(name))
        self._expected = frozenset(filter(None, (*self._names, self._tail)))

    @cached_property
    def _script(self) -> AsyncScript:
        """The assembled script; a process never assembles scripts that it does not call."""
        return self._redis.register_script(_assembled(script_text(self._name), self._replaced_libs))

    async def __call__(self, owner: str, /, **arguments: Any) -> Reply:
        """Run the script on the keys of a sender (or of the opt-out list); return its reply by name.

        The arguments are those that the script declares, in any order; other arguments raise TypeError. If the script
        declares a list, the list is passed as a sequence of mappings by name, or of values if its items have only one
        name.
        """
        return read_reply(await self._script(keys=[hash_tag(owner)], args=self._ordered(arguments)))

    async def on_key(self, key: str, /, **arguments: Any) -> Reply:
        """Run the script on one key that belongs to no sender; return the script's reply by name."""
        return read_reply(await self._script(keys=[key], args=self._ordered(arguments)))

    async def with_get(self, owner: str, key: str, /, **arguments: Any) -> tuple[Reply, bytes | None]:
        """Run the script like ``__call__``, and then read a string, in the same round trip.

        On a cluster, a string on another node takes a second round trip, because the string must be read after the
        script ran.
        """
        keys, ordered = [hash_tag(owner)], self._ordered(arguments)
        async with self._redis.pipeline(transaction=False, shard_hint=IN_ORDER) as pipe:
            pipe.evalsha(self._script.sha, 1, *keys, *ordered)
            pipe.get(key)
            reply, value = await pipe.execute(raise_on_error=False)
        if isinstance(reply, NoScriptError):
            reply = await self._script(keys=keys, args=ordered)
        for answer in (reply, value):
            if isinstance(answer, Exception):
                raise answer
        return read_reply(reply), value

    async def replicated(
        self, owner: str, key: str, /, *, mark_key: str, replicas: int, timeout_ms: int, **arguments: Any
    ) -> tuple[Reply, bytes | None, int]:
        """Run the script, read a string and wait for replicas, in one round trip.

        Returns the reply, the string, and how many replicas have what the script wrote.

        Args:
            owner: The sender, as in ``__call__``.
            key: The key of the string.
            mark_key: A key that is written for a minute, because ``WAIT`` counts only writes of its own connection, and
                a script that is repeated after a lost connection may write nothing.
            replicas: For how many replicas the call waits.
            timeout_ms: How long the call waits, in milliseconds.
            arguments: The arguments of the script, as in ``__call__``.

        Raises:
            TypeError: The arguments are not those that the script declares.
            RedisError: A command of the call failed.
        """
        ordered = self._ordered(arguments)
        while True:
            async with self._redis.pipeline(transaction=False, shard_hint=IN_ORDER) as pipe:
                pipe.evalsha(self._script.sha, 1, hash_tag(owner), *ordered)
                pipe.set(mark_key, "1", px=60_000)
                pipe.wait(replicas, timeout_ms)
                pipe.get(key)
                replies: Any = await pipe.execute(raise_on_error=False)
            if isinstance(replies[0], NoScriptError):
                await self._redis.script_load(self._script.script)
                continue
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
            return read_reply(replies[0]), replies[3], int(replies[2])

    async def together(self, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Reply]:
        """Make several calls, each with its owner and its arguments, in one round trip; return the replies.

        All calls are made before the first error is raised.
        """
        all_calls = [(hash_tag(owner), self._ordered(arguments)) for owner, arguments in calls]
        replies = await self._replies(all_calls)
        if missed := [position for position, reply in enumerate(replies) if isinstance(reply, NoScriptError)]:
            await self._redis.script_load(self._script.script)
            again = await self._replies([all_calls[position] for position in missed])
            for position, reply in zip(missed, again, strict=True):
                replies[position] = reply
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [read_reply(reply) for reply in replies]

    async def _replies(self, calls: Sequence[tuple[str, Sequence[Argument]]]) -> list[Any]:
        """Make several calls, each with its key and its arguments; return for each call its reply or its error."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, ordered in calls:
                pipe.evalsha(self._script.sha, 1, key, *ordered)
            return list(await pipe.execute(raise_on_error=False))

    async def for_each(self, senders: Sequence[SenderId], **arguments: Any) -> list[Reply | Exception]:
        """Run the script for many senders in one round trip; return for each sender the reply or the error."""
        ordered = self._ordered(arguments)
        async with self._redis.pipeline(transaction=False) as pipe:
            for sender in senders:
                await self._script(keys=[hash_tag(sender)], args=ordered, client=pipe)
            replies = await pipe.execute(raise_on_error=False)
        return [reply if isinstance(reply, Exception) else read_reply(reply) for reply in replies]

    def _ordered(self, arguments: Mapping[str, Any]) -> list[Argument]:
        if arguments.keys() != self._expected:
            wrong = ", ".join(sorted(arguments.keys() ^ self._expected))
            raise TypeError(f"script {self._name}: missing or unknown arguments: {wrong}")
        ordered: list[Argument] = [arguments[name] for name in self._names]
        if not self._tail:
            return ordered
        if len(self._of_item) == 1:
            return ordered + list(arguments[self._tail])
        for item in arguments[self._tail]:
            ordered += [item[name] for name in self._of_item]
        return ordered


def _print_assembled(name: str) -> None:
    for number, line in enumerate(assemble(name).splitlines(), 1):
        sys.stdout.write(f"{number:4} {line}\n")


if __name__ == "__main__":
    if not set(sys.argv[1:2]) & set(script_names()):
        sys.exit("name a script of times_dispatch/ledger/lua without its ending, as in: record")
    _print_assembled(sys.argv[1])
