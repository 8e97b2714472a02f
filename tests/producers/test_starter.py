"""A first folder gets all files that a first campaign needs, and no existing file is changed."""

from pathlib import Path

from honcho.manager import KILL_WAIT

from producers.cli.template import checked_template
from producers.starter import make_starter
from times_dispatch.settings.env_file import with_env_file
from times_dispatch.settings.load import Need, load

FILES = ["dispatch.toml", ".env", "campaign.toml", "customers.csv", "Procfile"]


def test_the_settings_are_valid_with_every_secret(tmp_path: Path) -> None:
    files = make_starter(tmp_path / "new" / "shop")
    assert (list(files.made), files.kept) == (FILES, [])
    path = tmp_path / "new" / "shop" / "dispatch.toml"
    settings = load(path, with_env_file({}, path), need=frozenset(Need))
    assert settings.warnings == ()
    assert settings.redis_url == "redis://127.0.0.1:6390/0"
    assert "redis: exec python -m times_dispatch.demo.redis_server" in (path.parent / "Procfile").read_text()


def test_a_worker_ends_before_honcho_kills_it(tmp_path: Path) -> None:
    make_starter(tmp_path)
    path = tmp_path / "dispatch.toml"
    settings = load(path, with_env_file({}, path), need=frozenset(Need))
    assert settings.worker.grace_s <= KILL_WAIT - 2


def test_only_the_owner_can_read_the_secrets(tmp_path: Path) -> None:
    make_starter(tmp_path)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600


def test_two_folders_have_different_secrets(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_starter(tmp_path / name)
    assert (tmp_path / "one/.env").read_text() != (tmp_path / "two/.env").read_text()


def test_files_that_are_there_stay_and_the_others_are_made(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")
    (tmp_path / "customers.csv").symlink_to(tmp_path / "elsewhere.csv")
    files = make_starter(tmp_path)
    assert files.kept == [".env", "customers.csv"]
    assert list(files.made) == ["dispatch.toml", "campaign.toml", "Procfile"]
    assert (tmp_path / ".env").read_text() == "mine"
    assert not (tmp_path / "elsewhere.csv").exists()


def test_a_redis_of_ones_own_is_not_started(tmp_path: Path) -> None:
    make_starter(tmp_path, redis_url="redis://db:6379/3")
    assert "DISPATCH_REDIS_URL=redis://db:6379/3\n" in (tmp_path / ".env").read_text()
    assert not (tmp_path / "Procfile").read_text().startswith("redis:")
    assert not (tmp_path / "redis").exists()


def test_the_first_templates_give_the_linter_no_reason_to_complain(tmp_path: Path) -> None:
    make_starter(tmp_path)
    path = tmp_path / "dispatch.toml"
    settings = load(path, with_env_file({}, path), need=frozenset(Need))
    problems = {name: checked_template(name, settings)[0] for name in settings.templates}
    assert not any(problems.values())
