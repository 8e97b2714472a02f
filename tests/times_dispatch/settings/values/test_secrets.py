from tests.kit.settings import Loader
from times_dispatch.settings.values.secrets import Secret, SecretBytes


def test_a_secret_equals_its_text_and_its_repr_hides_it() -> None:
    secret, key = Secret("mellon"), SecretBytes(b"mellon")
    assert secret == "mellon"
    assert key == b"mellon"
    assert "mellon" not in f"{[secret, key]!r} {secret!r}"
    assert repr(Secret()) == "Secret()"


def test_no_secret_is_in_any_repr(loaded: Loader) -> None:
    settings = loaded(
        DISPATCH_REDIS_URL="redis://:swordfish@127.0.0.1:6379/0",
        DISPATCH_FLOWER_BASIC_AUTH="me:mellon",
        DISPATCH_ID_KEY_OLD="fedcba9876543210",
        DISPATCH_CALLBACK_SECRET_OLD="guess-the-former",
    )
    shown = repr(settings) + repr([settings.redis_url, settings.broker_url, settings.id_key, settings.old_id_key])
    for secret in ("swordfish", "0123456789abcdef", "fedcba", "guess-", "hunter2", "mellon"):
        assert secret not in shown
