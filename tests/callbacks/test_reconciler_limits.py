from callbacks.reconciler_limits import ReconcilerLimits
from callbacks.stream_reader import Entry

LIMITS = ReconcilerLimits(group_bytes=10, group_rows=4)


def _entries(*payloads: bytes, via: bytes = b"") -> list[Entry]:
    return [Entry(b"%d-0" % number, payload, 1, via) for number, payload in enumerate(payloads)]


def _payloads(entries: list[Entry], *, one_by_one: bool = False) -> list[bytes]:
    return [entry.payload for entry in LIMITS.first_group(entries, one_by_one=one_by_one)]


def test_entries_are_processed_together_up_to_a_number_of_bytes() -> None:
    assert _payloads(_entries(b"12345", b"67890", b"1")) == [b"12345", b"67890"]
    assert _payloads(_entries(b"12345678901", b"2")) == [b"12345678901"]
    assert _payloads([]) == []


def test_entries_are_processed_together_up_to_a_number_of_rows() -> None:
    assert _payloads(_entries(b"1,2", b"3,4", b"5")) == [b"1,2", b"3,4"]
    assert _payloads(_entries(b"1,2,3,4,5", b"6")) == [b"1,2,3,4,5"]


def test_entries_of_different_relays_are_not_processed_together() -> None:
    assert _payloads([*_entries(b"1"), *_entries(b"2", via=b"1.1 a")]) == [b"1"]


def test_entries_are_processed_one_by_one_while_redis_refuses_a_group() -> None:
    assert _payloads(_entries(b"1", b"2"), one_by_one=True) == [b"1"]
