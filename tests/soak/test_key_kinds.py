"""Keys of one kind have one name."""

import pytest

from tests.soak.key_kinds import CAMPAIGN, KEPT, STUB, is_kept, kind_of


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("{SOAKA}:leases", "{sender}:leases"),
        ("{SOAKA}:c:diwali01", CAMPAIGN),
        ("{SOAKA}:c:12345678:m:7", "{sender}:c:<campaign>:m:#"),
        ("{SOAKA}:recent_texts:0123456789abcdef:29:3:11", "{sender}:recent_texts:#:#:#:#"),
        ("{processes}:p:worker:host.example:4711", "{processes}:p:worker"),
        ("1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed.reply.celery.pidbox", "#.reply.celery.pidbox"),
        ("{opt_outs}:n:91987", "{opt_outs}:n:#"),
        ("reports:rejected", "reports:rejected"),
    ],
)
def test_a_key_has_the_kind_of_its_name_without_what_differs(key: str, kind: str) -> None:
    assert kind_of(key) == kind


def test_only_what_is_kept_for_days_may_grow_with_the_campaigns() -> None:
    assert all(map(is_kept, KEPT))
    assert is_kept(STUB)
    assert not any(map(is_kept, (CAMPAIGN, "{sender}:c:<campaign>:m:#", "reports", "{sender}:leases")))
