import pytest

from tests.kit.settings import SETTINGS_FILE, Loader, Mistakes


def test_links_have_defaults(loaded: Loader) -> None:
    links = loaded().links
    assert (links.url, links.listen, links.expire_after_s, links.with_receiver) == (
        "",
        "127.0.0.1:8087",
        604_800,
        False,
    )


def test_the_environment_overrides_the_address_and_gives_the_keys(loaded: Loader) -> None:
    settings = loaded(
        DISPATCH_LINKS_LISTEN="127.0.0.1:9000", DISPATCH_LINK_KEY="k" * 16, DISPATCH_LINK_KEY_OLD="o" * 64
    )
    assert settings.links.listen == "127.0.0.1:9000"
    assert (settings.link_key, settings.old_link_key) == (b"k" * 16, b"o" * 64)


@pytest.mark.parametrize("url", ["go.brand.in", "https://go.brand.in", "http://go.brand.in:8087", ""])
def test_the_beginning_of_links_is_a_domain(url: str, loaded: Loader) -> None:
    assert loaded(f'{SETTINGS_FILE}[links]\nurl = "{url}"\n').links.url == url


@pytest.mark.parametrize("url", ["go", "https://go.brand.in/", "ftp://go.brand.in", "Go.Brand.in", "a b.in"])
def test_nothing_else_is_the_beginning_of_links(url: str, mistakes: Mistakes) -> None:
    [mistake] = mistakes(f'{SETTINGS_FILE}[links]\nurl = "{url}"\n')
    assert "links.url: must be a domain in lower case" in mistake


def test_links_expire_after_a_second_at_least(mistakes: Mistakes) -> None:
    [mistake] = mistakes(f'{SETTINGS_FILE}[links]\nexpire_after = "0s"\n')
    assert "links.expire_after: must be days" in mistake


@pytest.mark.parametrize(
    ("length", "reason"), [(15, "must have at least 16 bytes"), (65, "must have at most 64 bytes")]
)
def test_a_link_key_has_16_to_64_bytes(length: int, reason: str, mistakes: Mistakes) -> None:
    assert mistakes(DISPATCH_LINK_KEY="k" * length) == [f"environment: DISPATCH_LINK_KEY: {reason}, has {length}"]
