import struct

import pytest

from times_dispatch.ledger.statistics.attempts import Attempt, tries_before, unpack_attempts


def test_a_message_that_was_sent_once_has_no_attempts() -> None:
    assert unpack_attempts(b"") == []
    assert tries_before([], 3) == 0


def test_attempts_have_their_number_provider_day_and_flags() -> None:
    packed = b"".join(struct.pack(">BBHB", number, 1, 20_785, flags) for number, flags in enumerate((3, 0, 2, 1)))
    attempts = unpack_attempts(packed)
    assert attempts[0] == Attempt(0, 1, 20_785, is_proved=True, is_tried_again=True)
    assert [each.is_proved for each in attempts] == [True, False, False, True]
    assert [tries_before(attempts, number) for number in range(4)] == [0, 1, 1, 2]


def test_a_part_of_an_attempt_is_an_error() -> None:
    with pytest.raises(struct.error):
        unpack_attempts(b"123456")
