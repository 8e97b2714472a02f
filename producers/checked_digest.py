"""The digest that ``dispatch check`` prints, by which ``submit --checked`` knows what a person has approved.

    k3fa-7qxd-m2pe-4hzr6tjcuwq5ynbvgk2osl3a7ifxe6md

The first three groups are hints: they show whether the campaign file, the recipients file or the settings differ. The
last group covers all three, and is so long that nobody can make other files with the same digest.
"""

import re
from base64 import b32encode
from hashlib import sha256

import msgspec

from producers.campaign.file import Campaign
from producers.draft import Draft
from producers.errors import InputInvalid

_HINT_LENGTH = 4
_WHOLE_LENGTH = 32
_FORM = re.compile(rf"(?:[a-z2-7]{{{_HINT_LENGTH}}}-){{3}}[a-z2-7]{{{_WHOLE_LENGTH}}}")


def checked_digest(draft: Draft) -> str:
    """Return the digest of the bytes of both files and of the settings that decide texts and recipients."""
    parts = [*draft.fingerprint.contents, _digest_of_settings(draft.campaign)]
    hints = [_base32(part)[:_HINT_LENGTH] for part in parts]
    return "-".join([*hints, _base32(sha256(b"".join(parts)).digest())[:_WHOLE_LENGTH]])


def refuse_unless_checked(draft: Draft, digest: str) -> None:
    """Raise InputInvalid if the check of a draft would print another digest; name the part that differs."""
    given, own = digest.strip().lower(), checked_digest(draft)
    if not _FORM.fullmatch(given):
        raise InputInvalid("--checked: is no digest of dispatch check; such a digest looks like k3fa-7qxd-m2pe-…")
    if given == own:
        return
    table = draft.campaign.table
    names = [*map(str, draft.paths), f"the settings of sender {table.sender} and template {table.template}"]
    hints = zip(names, given.split("-"), own.split("-"), strict=False)
    changed = [name for name, hint, own_hint in hints if hint != own_hint] or ["a file or a setting"]
    verb = "have" if len(changed) > 1 or changed == names[-1:] else "has"
    raise InputInvalid(
        f"--checked: {' and '.join(changed)} {verb} changed since the check; nothing is submitted. "
        "Run dispatch check again, and submit with its new digest"
    )


def _digest_of_settings(campaign: Campaign) -> bytes:
    """Digest the settings that decide texts, recipients, providers and prices, without rates and daily caps.

    Fields of the campaign file are left out, so that a change of the file does not look like a change of the settings.
    """
    sender, template, window = campaign.sender, campaign.template_settings, campaign.schedule.allowed
    relevant = {
        "text": template.text,
        "content_id": template.content_id,
        "operator": template.operator,
        "max_value_length": template.max_value_length,
        "links": sorted({*template.links, *sender.links}),
        "callback_numbers": sorted({*template.callback_numbers, *sender.callback_numbers}),
        "chain": sender.chain,
        "entity_id": sender.entity_id,
        "category": campaign.category,
        "urgent": sender.urgent,
        "cost": sender.cost,
        "foreign_numbers": sender.foreign_numbers,
        "frequency_cap": sender.frequency_cap,
        "repeat_after_s": sender.repeat_after_s,
        "window": [window.from_min, window.until_min, window.zone],
        "retry_failed": campaign.second_tries.of_settings,
        "price": str(campaign.budget.price),
        "no_value": sorted(campaign.no_value),
        "link_prefix": campaign.links.prefix if campaign.links.written else "",
    }
    return sha256(msgspec.json.encode(relevant)).digest()


def _base32(digest: bytes) -> str:
    return b32encode(digest).decode().lower()
