import pytest

from times_dispatch.archive.errors import ArchiveDamaged, ArchiveKeyMissing
from times_dispatch.archive.wrapped_keys import DATA_KEY_BYTES, MasterKeys, new_data_key

KEY, OLD = b"k" * 16, b"o" * 16


def test_a_wrapped_key_is_opened_by_the_master_key_or_the_old_one() -> None:
    data_key = new_data_key()
    wrapped = MasterKeys(OLD).wrap(data_key, archive="a")
    assert data_key not in wrapped
    assert MasterKeys(OLD).unwrap(wrapped, archive="a") == data_key
    assert MasterKeys(KEY, OLD).unwrap(wrapped, archive="a") == data_key
    assert not MasterKeys(KEY, OLD).is_current(wrapped, archive="a")
    assert MasterKeys(OLD, KEY).is_current(wrapped, archive="a")


def test_data_keys_are_random_and_so_is_their_wrapping() -> None:
    keys = {new_data_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {DATA_KEY_BYTES}
    assert len({MasterKeys(KEY).wrap(b"d" * 32, archive="a") for _ in range(100)}) == 100


def test_another_master_key_or_none_opens_nothing() -> None:
    wrapped = MasterKeys(OLD).wrap(new_data_key(), archive="a")
    with pytest.raises(ArchiveKeyMissing, match="another key wrapped it"):
        MasterKeys(KEY).unwrap(wrapped, archive="a")
    with pytest.raises(ArchiveKeyMissing, match="is not set"):
        MasterKeys().unwrap(wrapped, archive="a")
    with pytest.raises(ArchiveKeyMissing):
        MasterKeys().wrap(new_data_key(), archive="a")
    assert not MasterKeys()


def test_a_wrapped_key_belongs_to_one_archive_and_cannot_be_changed() -> None:
    keys = MasterKeys(KEY)
    wrapped = keys.wrap(new_data_key(), archive="a")
    with pytest.raises(ArchiveDamaged, match="archive b: its wrapped key was changed, or is that of another"):
        keys.unwrap(wrapped, archive="b")
    for broken in (wrapped[:-2], b"", b"{}"):
        with pytest.raises(ArchiveDamaged, match="cannot be read"):
            keys.unwrap(broken, archive="a")
