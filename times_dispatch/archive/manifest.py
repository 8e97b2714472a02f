"""The manifest of an archived campaign: its settings and all its counters, in the clear, without any recipient."""

import time
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from times_dispatch.archive.errors import ArchiveDamaged
from times_dispatch.ledger.campaign_view import read_view
from times_dispatch.ledger.errors import CampaignDamaged
from times_dispatch.ledger.model import CampaignId, CampaignView, SenderId

VERSION = 1
_MAX_COLUMNS: Final = 1_000
"""More columns of one kind than any campaign has: who may write into the folder must not fill the memory of readers."""

_Columns = Annotated[int, msgspec.Meta(ge=0, le=_MAX_COLUMNS)]
_Rows = Annotated[int, msgspec.Meta(ge=0)]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read of an archived campaign without a key."""

    version: int = VERSION
    campaign: CampaignId
    sender: SenderId
    operation: str
    """Names the files of the archive."""
    archived_ms: int
    rows: _Rows
    """Messages in the Parquet file."""
    slots: _Columns
    """Columns of values of the text's slots."""
    custom: Annotated[list[str], msgspec.Meta(max_length=_MAX_COLUMNS)] = []
    """Names of the columns of the provider's own placeholders."""
    link_values: _Columns = 0
    """Columns of values in the targets of tracked links."""
    fields: dict[str, str]
    """The hash of the campaign, as it was in Redis."""
    codes: dict[str, int]
    """The hash of its codes."""
    statistics: dict[str, int]
    """The hash of its statistics."""
    erased_ms: int = 0
    """When the key of the archive was destroyed; 0 if it is not."""

    def view(self) -> CampaignView:
        """Return the campaign as it was when it was archived; raise ``CampaignDamaged``."""
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


def read_manifest(packed: bytes, *, archive: str) -> Manifest:
    """Return a stored manifest; raise ``ArchiveDamaged``."""
    try:
        manifest = msgspec.json.decode(packed, type=Manifest)
    except msgspec.DecodeError:
        raise ArchiveDamaged(f"archive {archive}: its manifest cannot be read") from None
    if manifest.version > VERSION or manifest.campaign != archive:
        raise ArchiveDamaged(f"archive {archive}: its manifest is of another version or campaign")
    return manifest
