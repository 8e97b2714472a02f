"""What each variable of the environment must look like; a message about one never repeats its value."""

import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from times_dispatch.settings.secrets import Environment, Secret, SecretBytes


def read_redis_url(environment: Environment, *, needed: bool) -> Secret:
    """Read the ledger's address, and put in the password where that is given by itself."""
    url = environment.get("DISPATCH_REDIS_URL", needed="the ledger, redis://host:6379/0" if needed else "")
    password = environment.get("DISPATCH_REDIS_PASSWORD")
    if not url:
        return url
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        environment.refuse("DISPATCH_REDIS_URL", "must be a URL like redis://host:6379/0, or rediss:// for TLS")
        return url
    if not password:
        return url
    if parts.password:
        environment.refuse("DISPATCH_REDIS_PASSWORD", "DISPATCH_REDIS_URL holds a password as well")
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(parts.username or '', safe='')}:{quote(password, safe='')}"
    return Secret(parts._replace(netloc=f"{login}@{host}").geturl())


def read_broker_url(environment: Environment) -> Secret:
    """Read Celery's address; empty: it shares the ledger's Redis."""
    url = environment.get("DISPATCH_BROKER_URL")
    if url and not re.match(r"(rediss?|amqps?)://.", url):
        environment.refuse("DISPATCH_BROKER_URL", "must begin with redis://, rediss://, amqp:// or amqps://")
    return url


def read_id_key(environment: Environment, *, needed: bool) -> SecretBytes:
    """Read the key of the correlation ids' tags: 16 to 64 bytes, what blake2b takes."""
    key = environment.get("DISPATCH_ID_KEY", needed="it keys the ids of messages" if needed else "")
    encoded = SecretBytes(key.encode("utf-8", "surrogateescape"))
    if key and len(encoded) < 16:
        environment.refuse("DISPATCH_ID_KEY", f"must have at least 16 bytes, has {len(encoded)}")
    if len(encoded) > 64:
        environment.refuse("DISPATCH_ID_KEY", f"must have at most 64 bytes, has {len(encoded)}")
    return encoded


def read_callback_secret(environment: Environment, *, needed: bool) -> Secret:
    """Read the part of the receiver's path that nobody can guess."""
    name = "DISPATCH_CALLBACK_SECRET"
    secret = environment.get(name, needed="the secret part of the callback URL" if needed else "")
    if secret and not re.fullmatch(r"[A-Za-z0-9_-]{16,128}", secret):
        environment.refuse(name, "must be 16 to 128 letters, digits, - or _, for it is part of a URL")
    return secret


def read_flower_basic_auth(environment: Environment, *, needed: bool) -> Secret:
    """Read ``user:password``."""
    login = environment.get("DISPATCH_FLOWER_BASIC_AUTH", needed="user:password for Flower" if needed else "")
    if login and not re.fullmatch(r"[^:]+:.+", login):
        environment.refuse("DISPATCH_FLOWER_BASIC_AUTH", "must be user:password")
    return login


def read_address(environment: Environment, name: str, check: Callable[[str], str]) -> str:
    """Read an address that goes before the file's; *check* raises ValueError for one that is none. Empty: not given."""
    value = environment.get(name)
    try:
        return str(check(value)) if value else ""
    except ValueError as error:
        environment.refuse(name, str(error))
        return ""
