from times_dispatch.ledger.secret_digest import digest_secret

SECRET = b"sixteen bytes or more"


def test_equal_secrets_have_equal_digests_and_others_have_others() -> None:
    digest = digest_secret(SECRET, purpose="test")
    digest_secret.cache_clear()  # as in another process
    assert digest_secret(SECRET, purpose="test") == digest
    assert digest_secret(SECRET + b"!", purpose="test") != digest


def test_one_secret_has_another_digest_for_each_purpose() -> None:
    assert digest_secret(SECRET, purpose="test") != digest_secret(SECRET, purpose="another")


def test_a_digest_is_32_hexadecimal_digits_that_show_nothing_of_the_secret() -> None:
    digest = digest_secret(SECRET, purpose="test")
    assert len(bytes.fromhex(digest)) == 16
    assert SECRET.hex()[:8] not in digest
