from console.login_limits import LoginLimits
from tests.kit.clock import FakeClock


def test_the_sixth_try_with_a_name_from_an_address_has_to_wait() -> None:
    clock = FakeClock()
    limits = LoginLimits(clock=clock)
    for _ in range(5):
        assert limits.wait_s("asha", "10.0.0.1") == 0
        limits.note_failure("asha", "10.0.0.1")
    assert limits.wait_s("asha", "10.0.0.1") == 60
    assert limits.wait_s("asha", "10.0.0.2") == 0
    assert limits.wait_s("ravi", "10.0.0.1") == 0


def test_a_success_forgets_the_tries_before_it() -> None:
    limits = LoginLimits(clock=FakeClock())
    for _ in range(5):
        limits.note_failure("asha", "10.0.0.1")
    limits.note_success("asha", "10.0.0.1")
    assert limits.wait_s("asha", "10.0.0.1") == 0


def test_one_address_cannot_try_many_names_and_many_addresses_cannot_try_one_name() -> None:
    limits = LoginLimits(clock=FakeClock())
    for number in range(20):
        limits.note_failure(f"name{number}", "10.0.0.1")
    assert limits.wait_s("fresh", "10.0.0.1") > 0
    for number in range(40):
        limits.note_failure("asha", f"10.1.0.{number}")
    assert limits.wait_s("asha", "10.2.0.1") > 0


def test_many_strangers_do_not_fill_the_memory() -> None:
    limits = LoginLimits(clock=FakeClock())
    for number in range(30_000):
        limits.note_failure(f"name{number}", f"10.{number % 250}.{number // 250}.1")
    assert len(limits._used) <= 20_003


def test_people_who_log_in_well_do_not_use_up_the_tries_of_their_address() -> None:
    limits = LoginLimits(clock=FakeClock())
    for number in range(60):
        assert limits.wait_s(f"name{number}", "10.0.0.1") == 0
        limits.note_failure(f"name{number}", "10.0.0.1")  # counted before the password is checked
        limits.note_success(f"name{number}", "10.0.0.1")
