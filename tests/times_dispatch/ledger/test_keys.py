"""The scripts and ledger/keys.py have the same names of keys and fields, and every name is documented."""

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from importlib import resources
from pathlib import Path

import pytest

from tests.kit.ledger import CAMPAIGN, SENDER
from times_dispatch.ledger import keys
from times_dispatch.ledger.keys import (
    RESEND_PREFIX,
    BatchKey,
    BeatField,
    CampaignField,
    CampaignKey,
    CodeOrigin,
    HeartbeatField,
    IdKeyField,
    LeaseField,
    LinksField,
    ProviderField,
    RegistryField,
    SchemaField,
    SenderField,
    SenderKey,
    Stat,
    batch_key,
    batch_member,
    campaign_key,
    codes_key,
    hash_tag,
    provider_field,
    sender_key,
    split_batch_member,
)
from times_dispatch.ledger.reports.forward_backlog import ForwardCount
from times_dispatch.ledger.scripts import lib_names, lib_text, script_names, script_text
from times_dispatch.ledger.states import MessageState

LUA = {
    **{f"{name}.lua": script_text(name) for name in script_names()},
    **{f"lib/{name}.lua": lib_text(name) for name in lib_names()},
}
ALL_LUA = re.sub(r"--.*", "", "\n".join(LUA.values()))
ALL_PYTHON = "\n".join(
    Path(str(file)).read_text()
    for file in resources.files("times_dispatch.ledger").iterdir()
    if file.name.endswith(".py") and file.name != "keys.py"
)
HASHES: Mapping[str, AbstractSet[str]] = {
    "campaign_key": set(CampaignField),
    "sender_key": {*SenderField, *(f"{field}@" for field in ProviderField)},
    "key_of_sender('sender')": {*SenderField, *(f"{field}@" for field in ProviderField)},
    "key_of_campaign(other)": set(CampaignField),
    "key_of_campaign(args.resend_of)": {RESEND_PREFIX},
    "key_of_codes(campaign_key)": {f"{origin}:" for origin in CodeOrigin},
    "key": {*SenderField} & {*CampaignField},  # lib/pacing.lua has the pace of a sender or of a campaign
    "lease_key": set(LeaseField),
    "heartbeat_key": set(HeartbeatField),
    "beat_key": set(BeatField),
    "schema_key": set(SchemaField),
    "registry_key": {
        RegistryField.ENTRIES,
        RegistryField.CAMPAIGNS,
        *(f"{name}:" for name in ("campaign_number", "id")),
    },
    "links_key": {LinksField.LAST, *(f"{name}:" for name in (LinksField.NUMBER, LinksField.CAMPAIGN))},
    "forward_totals_key": {*ForwardCount, "bytes"},
    "registry.key": {
        RegistryField.ENTRIES,
        RegistryField.CAMPAIGNS,
        *(f"{name}:" for name in ("campaign_number", "id")),
    },
}
"""The expressions that stand for a hash in the scripts, and the fields of each hash."""
WITH_VALUES = {"HSET", "HSETNX", "HINCRBY"}
DYNAMIC = {"LAST", "SHARE", "SEEN", "BAD"}
"""Endings of fields whose names ``lib/brakes.lua`` puts together."""


def _arguments(text: str) -> Iterator[str]:
    """Split the text after an opening bracket into arguments, up to the matching closing bracket."""
    depth, start, in_string = 0, 0, False
    for at, char in enumerate(text):
        in_string ^= char == "'"
        if in_string:
            continue
        if char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char in ",)" and not depth:
            yield " ".join(text[start:at].split())
            start = at + 1
            if char == ")":
                return


def _fields_used() -> Iterator[tuple[str, str]]:
    """Yield each pair of a hash and a field of calls in the scripts that name both."""
    for call in re.finditer(r"redis\.call\('(H\w+)', ", ALL_LUA):
        key, *arguments = _arguments(ALL_LUA[call.end() :])
        step = 2 if call[1] in WITH_VALUES else 1
        yield from ((key, argument) for argument in arguments[::step])
    for call in re.finditer(r"\bread_fields\(", ALL_LUA.replace("function read_fields(", "")):
        key, *arguments = _arguments(ALL_LUA.replace("function read_fields(", "")[call.end() :])
        yield from ((key, argument) for argument in arguments)


def test_every_field_that_a_script_uses_is_in_the_module() -> None:
    quoted = [(key, re.match(r"'([^']*)'", argument)) for key, argument in _fields_used()]
    used = {(key, match[1]) for key, match in quoted if match}
    assert len(used) > 60
    assert {(key, field) for key, field in used if field not in HASHES[key]} == set()


def test_every_counter_of_messages_that_a_script_uses_is_a_state() -> None:
    used = {argument for _, argument in _fields_used() if argument.isupper()}
    assert used == {state.name for state in MessageState}


@pytest.mark.parametrize(
    "field",
    [
        *CampaignField,
        *SenderField,
        *LeaseField,
        *HeartbeatField,
        *BeatField,
        *SchemaField,
        *RegistryField,
        *IdKeyField,
        *LinksField,
        *CodeOrigin,
        *Stat,
    ],
    ids=lambda field: f"{type(field).__name__}.{field.name}",
)
def test_every_field_of_the_module_is_used(field: StrEnum) -> None:
    which, _, ending = field.value.rpartition("_")
    by_brakes = ending.upper() in DYNAMIC and which.removeprefix("brake_") in {"push", "report"}
    in_lua = re.search(rf"'(?:stat:)?{field}(?:'|:)", ALL_LUA) or by_brakes
    is_reaction = field in {Stat.CLICKED, Stat.REPLIED} or field.startswith(
        "link_"
    )  # the kind of a report is also the name of its counter
    assert in_lua or is_reaction or f"{type(field).__name__}.{field.name}" in ALL_PYTHON


def test_the_keys_of_a_sender_are_the_same_on_both_sides() -> None:
    used = set(re.findall(r"key_of_sender\('([\w:]+)'\)", ALL_LUA))
    in_python_only = {SenderKey.COMPLAINTS, SenderKey.SILENCE, SenderKey.SILENCE_LOOKED}
    assert used == {*SenderKey} - in_python_only


def test_the_keys_of_a_campaign_are_the_same_on_both_sides() -> None:
    used = set(re.findall(r"campaign_key \.\. ':(\w+)'", ALL_LUA))
    recent = {key for key in CampaignKey if key.startswith("recent_")}
    # The kind of a reaction is the end of its key.
    links = {key for key in CampaignKey if key.startswith("link_")}
    reactions = {CampaignKey.CLICKED, CampaignKey.REPLIED, CampaignKey.OPTED_OUT, *links}
    assert used == {*CampaignKey, "recent_"} - recent - reactions - {CampaignKey.NUMBER_SAMPLE}
    assert {key for key in CampaignKey if key.startswith("recent_")} == {"recent_push", "recent_report"}


def test_the_keys_of_a_batch_are_the_same_on_both_sides() -> None:
    kinds = re.findall(r"^local (\w+) = '(\w)'$", LUA["lib/keys.lua"], re.MULTILINE)
    assert dict(kinds) == {kind.name: kind.value for kind in BatchKey}


def test_the_fields_of_a_provider_are_the_same_on_both_sides() -> None:
    assert set(re.findall(r"provider_field\('(\w+)'", ALL_LUA)) == set(ProviderField)


def test_the_counters_of_codes_have_the_same_origins_on_both_sides() -> None:
    added = set(re.findall(r"codes\.add\('(\w+):' \.\.", ALL_LUA))
    written = set(re.findall(r"key_of_codes\(campaign_key\), '(\w+):'", ALL_LUA))
    assert added | written == set(CodeOrigin)


def test_every_key_and_field_is_documented() -> None:
    tables = [node for node in ast.parse(inspect.getsource(keys)).body if isinstance(node, ast.ClassDef)]
    undocumented = [
        f"{table.name}.{ast.unparse(node.targets[0])}"
        for table in tables
        for node, after in zip(table.body, [*table.body[1:], None], strict=True)
        if isinstance(node, ast.Assign) and not isinstance(after, ast.Expr)
    ]
    assert undocumented == []


def test_keys_are_put_together() -> None:
    assert hash_tag(SENDER) == "{TIMESM}"
    assert sender_key(SENDER, SenderKey.ROTATION_OWN) == "{TIMESM}:rotation:own"
    assert campaign_key(SENDER, CAMPAIGN) == "{TIMESM}:c:diwali01"
    assert codes_key(SENDER, CAMPAIGN) == "{TIMESM}:c:diwali01:codes"
    assert batch_key(SENDER, CAMPAIGN, BatchKey.MESSAGES, 3) == "{TIMESM}:c:diwali01:m:3"
    assert provider_field(ProviderField.BRAKE, "times") == "brake@times"


@pytest.mark.parametrize(
    ("member", "parts"), [(batch_member(CAMPAIGN, 3), (CAMPAIGN, "3")), ("nonsense", ("nonsense", ""))]
)
def test_a_batch_member_is_split(member: str, parts: tuple[str, str]) -> None:
    assert split_batch_member(member) == parts
