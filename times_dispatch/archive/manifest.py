"""The manifest of an archived campaign: the settings and all counters, unencrypted, without any recipient."""

import time
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.ledger.campaigns.view import read_view
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId
from times_dispatch.unreadable_json import UNREADABLE_JSON

VERSION = 1
_MAX_COLUMNS: Final = 1_000
"""More columns of one kind than any campaign has: a foreign manifest must not fill the memory of a reader."""

_MAX_COUNTERS: Final = 50_000
_MAX_MS: Final = 32_503_680_000_000
"""The year 3000: Python cannot format times that are much later."""
_SENDER: Final = r"^[^{}:\x00-\x20]{1,40}$"
"""The form of the name of a sender or lane, which stands in the names of keys, in braces and before a colon."""

_Columns = Annotated[int, msgspec.Meta(ge=0, le=_MAX_COLUMNS)]
_Rows = Annotated[int, msgspec.Meta(ge=0)]
_Time = Annotated[int, msgspec.Meta(ge=0, le=_MAX_MS)]
_Counters = Annotated[dict[str, int], msgspec.Meta(max_length=_MAX_COUNTERS)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an archived campaign that can be read without a key."""

    version: int = VERSION
    campaign: CampaignId
    sender: Annotated[SenderId, msgspec.Meta(pattern=_SENDER)]
    operation: str
    """The id of the attempt, with which the names of the files begin."""
    archived_ms: _Time
    rows: _Rows
    """The number of messages in the Parquet file."""
    slots: _Columns
    """The number of columns with values of the text's slots."""
    custom: Annotated[list[str], msgspec.Meta(max_length=_MAX_COLUMNS)] = []
    """Names of the columns of the provider's own placeholders."""
    link_values: _Columns = 0
    """The number of columns with values in the targets of tracked links."""
    fields: Annotated[dict[str, str], msgspec.Meta(max_length=_MAX_COUNTERS)]
    """The hash of the campaign, as it was in Redis."""
    codes: _Counters
    """The hash of the campaign's codes."""
    statistics: _Counters
    """The hash of the campaign's statistics."""
    erased_ms: _Time = 0
    """When the key of the archive was destroyed; 0 if the key exists."""

    def view(self) -> CampaignView:
        """Return the campaign in its state at the time of archiving; raise ``CampaignDamaged``."""
        codes: Mapping[str, int] = self.codes
        try:
            return read_view(
                self.campaign,
                {name: value.encode() for name, value in self.fields.items()},
                {name: str(number).encode() for name, number in codes.items()},
                {},
                now_s=time.time(),
            )
        except (KeyError, ValueError, msgspec.MsgspecError) as error:
            raise CampaignDamaged(self.campaign, self.sender, "its manifest in the archive cannot be read") from error


def pack_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as the JSON that is stored."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1)


def read_manifest(packed: bytes, *, archive: str, operation: str) -> Manifest:
    """Return the manifest that an attempt stored; raise ``ArchiveDamaged`` for any other content.

    A foreign writer in the folder can write any manifest. So values that become names of files or keys are checked.
    """
    try:
        manifest = msgspec.json.decode(packed, type=Manifest)
    except UNREADABLE_JSON:
        raise ArchiveDamaged(f"archive {archive}: its manifest cannot be read") from None
    if manifest.version > VERSION or manifest.campaign != archive or manifest.operation != operation:
        raise ArchiveDamaged(f"archive {archive}: its manifest is of another version or campaign")
    return manifest
