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
    assert read_manifest(pack_manifest(MANIFEST), archive="diwali01") == MANIFEST


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
    ],
)
def test_a_manifest_that_was_tampered_with_is_damaged_and_takes_no_memory(changed: dict[str, object]) -> None:
    packed = msgspec.json.encode({**msgspec.to_builtins(MANIFEST), **changed})
    with pytest.raises(ArchiveDamaged, match="archive diwali01: its manifest"):
        read_manifest(packed, archive="diwali01")
