"""The environment variables: ``NAME``, or ``NAME_FILE`` with the path of a file that contains the value.

A message about a variable never repeats its value.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from times_dispatch.bounded_file import read_bounded_text
from times_dispatch.ledger.cluster.node_urls import is_cluster, parse
from times_dispatch.ledger.sentinel.url import is_sentinel
from times_dispatch.ledger.sentinel.url import parse as parse_sentinel_url
from times_dispatch.ledger.urls_of_hosts import split_hosts
from times_dispatch.settings.values.secrets import Secret, SecretBytes
from times_dispatch.tls_options import check_options


class Environment:
    """Reads variables one by one, and collects all mistakes."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.mistakes: list[str] = []

    def get(self, name: str, *, purpose: str = "") -> Secret:
        """Return the value of a variable; empty if the variable is not set.

        Args:
            name: the variable. If ``NAME_FILE`` is set instead, the value is the content of that file without the line
                break at its end.
            purpose: why the process needs the value, for the message. With a purpose, a variable that is not set is a
                mistake.
        """
        value = self._variables.get(name, "")
        path = self._variables.get(f"{name}_FILE", "")
        if value and path:
            self.add_mistake(name, f"is given twice, also as {name}_FILE")
        elif path:
            value = self._read(f"{name}_FILE", path)
        elif not value and purpose:
            self.add_mistake(name, f"is not set ({purpose}), and neither is {name}_FILE")
        return Secret(value)

    def add_mistake(self, name: str, reason: str) -> None:
        """Add a mistake in a variable; the reason must not repeat the value."""
        self.mistakes.append(f"environment: {name}: {reason}")

    def _read(self, name: str, path: str) -> str:
        try:
            value = read_bounded_text(Path(path)).rstrip("\n")
        except OSError as error:
            self.add_mistake(name, f"{path} cannot be read: {(error.strerror or 'unknown reason').lower()}")
            return ""
        except UnicodeDecodeError:
            self.add_mistake(name, f"{path} is not UTF-8")
            return ""
        if not value:
            self.add_mistake(name, f"{path} is empty")
        return value


_OTHER_URLS = (
    "rediss:// for TLS, redis+sentinel://host:26379,host:26379/0?master=NAME, or redis+cluster://host:6379,host:6379"
)


def read_redis_url(environment: Environment, *, is_needed: bool) -> Secret:
    """Read the URL of the ledger's Redis, and insert the password if the password has a separate variable."""
    url = environment.get("DISPATCH_REDIS_URL", purpose="the ledger, redis://host:6379/0" if is_needed else "")
    password = environment.get("DISPATCH_REDIS_PASSWORD")
    if not url:
        return url
    try:
        # The hosts of sentinels and of a cluster are separated by commas.
        parts = split_hosts(url) if is_cluster(url) or is_sentinel(url) else urlsplit(url)
        if is_cluster(url):
            usable = bool(parse(url).nodes)
        else:
            usable = is_sentinel(url) or (
                parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
            )
    except ValueError:
        usable = False
    if not usable:
        environment.add_mistake("DISPATCH_REDIS_URL", f"must be a URL like redis://host:6379/0, {_OTHER_URLS}")
        return url
    _check_options(environment, "DISPATCH_REDIS_URL", url)
    if not password:
        return url
    if parts.password:
        environment.add_mistake("DISPATCH_REDIS_PASSWORD", "DISPATCH_REDIS_URL contains a password too")
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(parts.username or '', safe='')}:{quote(password, safe='')}"
    return Secret(parts._replace(netloc=f"{login}@{host}").geturl())


def read_broker_url(environment: Environment, redis_url: Secret) -> Secret:
    """Read the URL of Celery's broker; without one, the broker is the ledger's Redis, which must not be a cluster."""
    url = environment.get("DISPATCH_BROKER_URL")
    if not url and is_cluster(redis_url):
        environment.add_mistake(
            "DISPATCH_BROKER_URL",
            "is not set, and the ledger is a cluster, which Celery cannot use as its broker: give the URL of a single "
            "Redis (redis://host:6379/0) or of RabbitMQ (amqp://host)",
        )
        return url
    if not url:
        return redis_url
    if not re.match(r"(rediss?(\+sentinel)?|amqps?)://.", url):
        environment.add_mistake(
            "DISPATCH_BROKER_URL", "must begin with redis://, rediss://, redis+sentinel://, amqp:// or amqps://"
        )
    elif not is_sentinel(url) and not all(map(_has_valid_port, _urls_of(url))):
        environment.add_mistake(
            "DISPATCH_BROKER_URL",
            "must have a port from 0 to 65535 or none; in its password, write # as %23, / as %2F and ? as %3F",
        )
    else:
        _check_options(environment, "DISPATCH_BROKER_URL", url)
    return url


def _urls_of(url: str) -> list[str]:
    """Return the URLs of a broker's hosts; Celery separates those of RabbitMQ by semicolons."""
    return url.split(";") if url.startswith("amqp") else [url]


def _has_valid_port(url: str) -> bool:
    """Return whether a URL can be read up to its port; an error of ``urlsplit`` would quote a piece of a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return not parts.fragment  # a "#" within a password ends the host


def _check_options(environment: Environment, name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("redis", "rediss") and not re.fullmatch("/?[0-9]{0,9}/?", parts.path, re.ASCII):
            # redis-py would use database 0
            environment.add_mistake(
                name, "must have the number of a database after the host, as in redis://host:6379/0"
            )
            return
        check_options(parse_sentinel_url(url).of_server if is_sentinel(url) else url)
    except ValueError as error:
        environment.add_mistake(name, str(error))


def read_id_keys(environment: Environment, *, is_needed: bool) -> tuple[SecretBytes, SecretBytes]:
    """Read the key that signs correlation ids, and the old key, which is empty if it equals the key or is not set."""
    key = _read_key(environment, "DISPATCH_ID_KEY", purpose="it signs the ids of messages" if is_needed else "")
    old_key = _read_key(environment, "DISPATCH_ID_KEY_OLD")
    return key, old_key if old_key != key else SecretBytes()


def read_link_keys(environment: Environment, *, is_needed: bool) -> tuple[SecretBytes, SecretBytes]:
    """Read the key that signs codes of links, and the old key, which is empty if it equals the key or is not set."""
    key = _read_key(environment, "DISPATCH_LINK_KEY", purpose="it signs tracked links" if is_needed else "")
    old_key = _read_key(environment, "DISPATCH_LINK_KEY_OLD")
    return key, old_key if old_key != key else SecretBytes()


def read_archive_keys(environment: Environment, *, is_needed: bool) -> tuple[SecretBytes, SecretBytes]:
    """Read the key that wraps the keys of archives, and the old key, empty if it equals the key or is not set."""
    key = _read_key(
        environment, "DISPATCH_ARCHIVE_KEY", purpose="it wraps the keys of the archive" if is_needed else ""
    )
    old_key = _read_key(environment, "DISPATCH_ARCHIVE_KEY_OLD")
    return key, old_key if old_key != key else SecretBytes()


def read_forget_key(environment: Environment) -> SecretBytes:
    """Read the key of the digests of forgotten numbers; empty if the variable is not set."""
    return _read_key(environment, "DISPATCH_FORGET_KEY")


def _read_key(environment: Environment, name: str, *, purpose: str = "") -> SecretBytes:
    """Read a key of 16 to 64 bytes, because blake2b accepts at most 64 bytes."""
    key = environment.get(name, purpose=purpose)
    encoded = SecretBytes(key.encode("utf-8", "surrogateescape"))
    if key and len(encoded) < 16:
        environment.add_mistake(name, f"must have at least 16 bytes, has {len(encoded)}")
    if len(encoded) > 64:
        environment.add_mistake(name, f"must have at most 64 bytes, has {len(encoded)}")
    return encoded


def read_callback_secrets(environment: Environment, *, is_needed: bool) -> tuple[Secret, Secret]:
    """Read the secret part of the receiver's path, and the old secret, empty if equal to the secret or not set."""
    purpose = "the secret part of the callback URL" if is_needed else ""
    secret = _read_callback_secret(environment, "DISPATCH_CALLBACK_SECRET", purpose=purpose)
    old_secret = _read_callback_secret(environment, "DISPATCH_CALLBACK_SECRET_OLD")
    return secret, old_secret if old_secret != secret else Secret()


def _read_callback_secret(environment: Environment, name: str, *, purpose: str = "") -> Secret:
    secret = environment.get(name, purpose=purpose)
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", secret):
        environment.add_mistake(name, "must be 16 to 128 letters, digits, - or _, because it is part of a URL")
    return secret


def read_flower_basic_auth(environment: Environment, *, is_needed: bool) -> Secret:
    """Read the login of Flower, ``user:password``."""
    login = environment.get("DISPATCH_FLOWER_BASIC_AUTH", purpose="user:password for Flower" if is_needed else "")
    if login and not re.fullmatch(r"[^:]+:.+", login):
        environment.add_mistake("DISPATCH_FLOWER_BASIC_AUTH", "must be user:password")
    return login


def read_metrics_token(environment: Environment, *, is_needed: bool) -> Secret:
    """Read the bearer token of the metrics process; the token is needed if other hosts can reach the process."""
    purpose = "the bearer token of the metrics, because other hosts can reach them"
    token = environment.get("DISPATCH_METRICS_TOKEN", purpose=purpose if is_needed else "")
    if token and not re.fullmatch(r"[A-Za-z0-9._~+/=-]{16,128}", token):
        environment.add_mistake("DISPATCH_METRICS_TOKEN", "must be 16 to 128 letters, digits, . _ ~ + / = or -")
    return token


def read_console_secret(environment: Environment, *, is_needed: bool) -> Secret:
    """Read the key that signs the sessions of the console."""
    from times_dispatch.settings.tables.console import MIN_SECRET  # noqa: PLC0415  # imports pydantic, which is slow

    purpose = "it signs the logins of the console" if is_needed else ""
    secret = environment.get("DISPATCH_CONSOLE_SECRET", purpose=purpose)
    if secret and len(secret) < MIN_SECRET:
        environment.add_mistake("DISPATCH_CONSOLE_SECRET", f"must have at least {MIN_SECRET} characters")
    return secret


def read_address(environment: Environment, name: str, check: Callable[[str], str]) -> str:
    """Read an address that overrides an address in the settings file.

    Args:
        environment: the variables; it collects the mistake if the address cannot be used.
        name: the variable.
        check: returns the address, or raises ValueError if it cannot be used.

    Returns:
        The address; empty if the variable is not set or its value cannot be used.
    """
    value = environment.get(name)
    try:
        return str(check(value)) if value else ""
    except ValueError as error:
        environment.add_mistake(name, str(error))
        return ""
