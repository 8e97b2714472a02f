import msgspec
import pytest

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.archive.manifest import Manifest, pack_manifest, read_manifest
from times_dispatch.ledger.model import CampaignId, SenderId

MANIFEST = Manifest(
    campaign=CampaignId("diwali01"),
    sender=SenderId("TIMESM"),
    operation="0123456789abcdef",
    archived_ms=1,
    rows=3,
    slots=2,
    fields={},
    codes={},
    statistics={},
)


def test_a_manifest_is_read_as_it_was_written() -> None:
    assert read_manifest(pack_manifest(MANIFEST), archive="diwali01", operation=MANIFEST.operation) == MANIFEST


@pytest.mark.parametrize(
    "changed",
    [
        {"slots": 3_000_000},
        {"slots": -1},
        {"link_values": 10**9},
        {"custom": ["x"] * 5_000},
        {"rows": -1},
        {"version": 9},
        {"campaign": "holi0001"},
        {"operation": "../../victim"},
        {"sender": "TIMESM}:x"},
        {"sender": "opt_outs}:{a"},
        {"archived_ms": 10**17},
        {"erased_ms": 10**17},
        {"codes": dict.fromkeys(map(str, range(50_001)), 1)},
    ],
)
def test_a_manifest_that_was_tampered_with_is_damaged_and_takes_no_memory(changed: dict[str, object]) -> None:
    packed = msgspec.json.encode({**msgspec.to_builtins(MANIFEST), **changed})
    with pytest.raises(ArchiveDamaged, match="archive diwali01: its manifest"):
        read_manifest(packed, archive="diwali01", operation=MANIFEST.operation)


@pytest.mark.parametrize("packed", [b"[" * 200_000, b'{"campaign": "\xff"}', b'{"rows": ' + b"9" * 10_000, b"\0", b""])
def test_any_bytes_are_a_damaged_manifest(packed: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="archive diwali01: its manifest cannot be read"):
        read_manifest(packed, archive="diwali01", operation=MANIFEST.operation)
