"""Scripts of the ledger read arguments, fields and replies by name."""

import re

from tests.house import tree

_POSITION = re.compile(r"(?:\b\w+|\))\[\s*\d+\s*\]")


def test_no_script_reads_by_position() -> None:
    positions = [
        f"{tree.name(path)}:{number}: {line.strip()}"
        for path in tree.scripts()
        for number, line in enumerate(tree.lua_code(path), 1)
        if _POSITION.search(line)
    ]
    assert not positions, "\n".join(positions)


def test_arguments_are_read_by_one_lib_only() -> None:
    readers = {tree.name(path) for path in tree.scripts() for line in tree.lua_code(path) if "ARGV" in line}
    assert readers == {"times_dispatch/ledger/lua/lib/names.lua"}
