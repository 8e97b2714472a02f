"""Every regular expression takes time in proportion to the length of a hostile text, in Python and in Lua."""

import re
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from redis import Redis as SyncRedis

from tests.house import tree
from tests.kit.regular_expressions import CALLS, Expression, expressions, growth, hard_texts, sites

MAX_CPU_S = 30.0
_STATE_NUMBER = "(?:[2-8][0-9]{9})"
BUILT: Final[dict[str, tuple[str | bytes, int]]] = {
    "times_dispatch/ledger/connection.py:_reason": (r"\A(?>.*?unknown command).*HELLO", 0),
    "times_dispatch/provider/description/response_fields.py:text_reader": ("(?P<code>[0-9]+)", 0),
    "times_dispatch/provider/diagnostics/redaction.py:redact": (r"s(?:=|%3D|\\u003d)e|c", re.IGNORECASE),
    "times_dispatch/sandbox/clicker.py:__init__": ("go[.]in(/(?:[A-Za-z]{3,6}|[0-9]{6})/[0-9A-Za-z]{11})", 0),
    "times_dispatch/settings/providers/answers.py:_check_pattern": ("(?P<code>[0-9]+)", 0),
    "times_dispatch/sms/landlines.py:landline_prefixes": (f"^(?=(?:{_STATE_NUMBER})$)(?!(?:9.)$).*", re.MULTILINE),
    "times_dispatch/sms/landlines.py:_patterns": (_STATE_NUMBER, 0),
    "times_dispatch/sms/rules/dlt_ids.py:_problem": ("[0-9]{4,19}", 0),
    "callbacks/http/form_fields.py:_parts": (rb"--b(--)?[ \t]*+(?=[\r\n]|\Z)", 0),
    "producers/recipients/csv.py:without_blanks_at_quotes": (
        '(?<=")[ \t\u00a0]+(?=[,\r\n]|\\Z)|(?<=[,])[ \t\u00a0]+(?=")|^[ \t\u00a0]+(?=")',
        0,
    ),
    "producers/registry/lint.py:_lacks_brand": (
        "(?<![A-Za-z])(?:tim|t(?:[aeiou]{0,2}|[A-Za-z]{0,15}[ ])i)",
        re.IGNORECASE,
    ),
}
"""An example of each expression that a function builds."""
OWN = ("times_dispatch/ledger/scripts.py:",)
"""Expressions that read only the project's own Lua scripts, once, when a process starts."""
FORMS = "times_dispatch/sms/slot_rules.py:"
"""The forms of values: the code calls ``fullmatch`` of each, also for a part of a text."""
LUA_CALL = re.compile(r"string\.(match|gmatch|gsub|find)\(")
LUA_PATTERN = re.compile(r"'([^']*(?:%\w|\.[*+-])[^']*)'")
"""A quoted text of Lua with signs of a pattern, which stands on the line of its call."""
LUA_LENGTHS = (500, 2_000)
LUA_MEASURE = """
local body = string.rep(ARGV[2], math.floor(tonumber(ARGV[3]) / #ARGV[2]))
local text, least = ARGV[4] .. body .. ARGV[5], math.huge
for _ = 1, 3 do
  local begun = os.clock()
  if ARGV[1] == 'gmatch' then for _ in string.gmatch(text, ARGV[6]) do end
  elseif ARGV[1] == 'gsub' then string.gsub(text, ARGV[6], '')
  else string.find(text, ARGV[6]) end
  least = math.min(least, os.clock() - begun)
end
return tostring(least)
"""


@pytest.mark.processes
@pytest.mark.slow  # hard texts for some hundred expressions
def test_the_time_of_each_expression_grows_in_proportion_to_the_text() -> None:
    began_s = time.process_time()
    collected, unknown = expressions(BUILT)
    foreign = [
        replace(expression, calls=frozenset({"fullmatch"})) if expression.origin.startswith(FORMS) else expression
        for expression in collected
        if not expression.origin.startswith(OWN)
    ]
    faults = list(filter(None, map(growth, foreign)))
    texts = sum(len(hard_texts(expression.pattern, expression.flags)) for expression in foreign)
    cpu_s = time.process_time() - began_s
    print(f"{len(foreign)} expressions with {texts:,} hard texts: {len(faults)} faults, {cpu_s:.1f} s of CPU")  # noqa: T201  # the figure
    assert not unknown, f"give an example of what is built there: {unknown}"
    assert not faults, "\n".join(faults)
    assert len(foreign) > 250
    assert texts > 10_000
    assert cpu_s < MAX_CPU_S


def test_the_forms_of_values_are_only_matched_as_a_whole() -> None:
    collected = {use for path in tree.modules() for use in re.findall(r"\bform\.(\w+)\(?", path.read_text())}
    assert collected & CALLS == {"fullmatch"}


@pytest.mark.slow  # ten cases of up to a second of CPU each: the time of a long text must be certain
@pytest.mark.parametrize(
    ("pattern", "call"),
    [
        ("(a+)+$", "search"),
        ("(?:a|aa)+b", "match"),
        (r"\s+$", "search"),
        (r"\s+$", "sub"),
        ("<a [^>]*>", "finditer"),
        ("[0-9][0-9,]*x", "search"),
        (r"\{#.*?#\}", "sub"),
        (r"x*y*x*\Z", "fullmatch"),
        (rb"\r*\n", "split"),
        ("(?:[xX]{3,}|#{3,})[xX#]*", "fullmatch"),
    ],
)
def test_a_quadratic_or_exponential_expression_is_found(pattern: str | bytes, call: str) -> None:
    fault = growth(Expression("here:1", pattern, 0, frozenset({call})))
    print(fault)  # noqa: T201  # the figure
    assert fault


@pytest.mark.parametrize("pattern", [r"\s++", r"a+\Z", "[^,]*,", "(?:ab)+c?", r"\A\s*x"])
def test_a_linear_expression_is_not_a_fault(pattern: str) -> None:
    assert not growth(Expression("here:1", pattern, 0, frozenset({"match"})))


def test_a_new_expression_is_found_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('import re\nA = {"x": [re.compile("a")]}\ndef f(x):\n    return re.sub(x + "b", "", x)\n')
    collected = sorted((site.function, site.enclosing, site.constant) for site in sites(path))
    assert collected == [("compile", "", "a"), ("sub", "f", None)]


def lua_seconds(redis: SyncRedis, call: str, pattern: str, unit: str, length: int) -> float:
    arguments: list[Any] = [call, unit, length, "", "\x01", pattern]
    return float(redis.eval(LUA_MEASURE, 0, *arguments))


def lua_growth(redis: SyncRedis, call: str, pattern: str) -> str:
    """Return the unit whose repetition takes longer than in proportion, and the times in Redis."""
    characters = sorted({*re.findall(r"[^%()\[\].*+?$^-]", re.sub(r"%.", "", pattern)), "a", "1", " "})
    pairs = ["".join(pair) for pair in product(characters, repeat=2)]
    for unit in [*characters, *pairs[:60], re.sub(r"%.|[()^$*+?.-]", "1", pattern)]:
        for _ in range(3):
            short_s, long_s = (lua_seconds(redis, call, pattern, unit, length) for length in LUA_LENGTHS)
            if long_s < 0.0002 or long_s < 9 * short_s:  # four times the length: 4 if linear, 16 if quadratic
                break
        else:
            return f"{call} of {pattern!r} with {unit!r}: {short_s * 1000:.2f} ms, {long_s * 1000:.2f} ms"
    return ""


def test_the_time_of_each_lua_pattern_grows_in_proportion_to_the_text(redis_url: str) -> None:
    lines = [line for path in tree.scripts() for line in path.read_text().splitlines()]
    calls = {
        (call, pattern) for line in lines for call in LUA_CALL.findall(line) for pattern in LUA_PATTERN.findall(line)
    }
    with SyncRedis.from_url(redis_url) as redis:
        faults = [fault for call, pattern in sorted(calls) if (fault := lua_growth(redis, call, pattern))]
        known = [lua_growth(redis, "match", "(.*)@(.*)"), lua_growth(redis, "find", "%s+$")]
    print(f"{len(calls)} patterns of Lua: {len(faults)} faults; known faults: {known}")  # noqa: T201  # the figure
    assert len(calls) >= 12
    assert all(known)
    assert not faults, "\n".join(faults)
