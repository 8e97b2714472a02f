"""TLS to Redis and to the broker: the options of their URLs, and the messages for an untrusted certificate.

``rediss://`` and ``amqps://`` always verify the server's certificate and its name. Three options at the end of a URL
name files: ``rediss://host:6379/0?ssl_ca_certs=/etc/ca.pem&ssl_certfile=/etc/client.pem&ssl_keyfile=/etc/client.key``.
The options have the names of redis-py.
"""

import re
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

CA: Final = "ssl_ca_certs"
CERTIFICATE: Final = "ssl_certfile"
KEY: Final = "ssl_keyfile"

_OPTIONS: Final = (CA, CERTIFICATE, KEY)
_PLAIN_NAME: Final = re.compile("[a-z_]{1,32}")


def check_options(url: str) -> None:
    """Check the options of a URL, and read the files that the options name.

    Raises:
        ValueError: An option is unknown, or a file cannot be used. The message holds no part of the password.
    """
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in pairs:
        if name == "ssl_cert_reqs":
            if value in ("required", "CERT_REQUIRED"):
                continue
            raise ValueError("ssl_cert_reqs cannot turn the check of the certificate off: leave it out")
        if name not in _OPTIONS:
            # The text after a question mark may be a piece of a password that is not percent-encoded.
            shown = f" {name}" if "@" not in parts.query and _PLAIN_NAME.fullmatch(name) else ""
            raise ValueError(f"has an unknown option{shown}: a URL may have {', '.join(_OPTIONS)}")
    if pairs and parts.scheme not in ("rediss", "rediss+cluster", "amqps"):
        raise ValueError(f"has options for TLS, and {parts.scheme}:// has no TLS: write rediss:// or amqps://")
    if len(dict(pairs)) < len(pairs):
        raise ValueError("has an option twice")
    _check_files(dict(pairs))


def check_ca_file(path: str) -> None:
    """Read a file of trusted certificates; raise ``ValueError`` with a text to be put after the file's name.

    A pipe is refused: the file is read by this check and for each connection, and a pipe can be read only once.
    """
    try:
        _refuse_what_is_no_file(path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError) as error:
        raise ValueError(_reason(error)) from None


def files_of(url: str) -> dict[str, str]:
    """Return the files that a URL names, by option."""
    return {name: value for name, value in parse_qsl(urlsplit(url).query) if name in _OPTIONS}


def without_options(url: str) -> str:
    """Return a URL without its options."""
    return urlsplit(url)._replace(query="").geturl()


def certificate_problem(error: BaseException | None) -> str:
    """Return the reason if an error comes from an untrusted certificate of a server; otherwise an empty text."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"presents a certificate that is not trusted: {cause.verify_message.rstrip('.')}"
    return ""


def connection_problem(error: Exception) -> str:
    """Return why a call to a server failed, for a log line: an untrusted certificate, or the name of the error."""
    return certificate_problem(error) or type(error).__name__


def scheme_advice(error: BaseException | None, *, uses_tls: bool) -> str:
    """Return how to change a URL whose connection failed, if only one side may have TLS; otherwise an empty text.

    A Redis without TLS waits for the rest of the client's handshake, so that the client gets no answer. A Redis with
    TLS closes a connection that begins without a handshake. For a server that cannot be reached, no advice is returned.
    """
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError) and "_ALERT_" in str(cause):
            return ""  # only servers with TLS send alerts
        if uses_tls and isinstance(cause, TimeoutError | ssl.SSLError):
            return "; if it has no TLS, its URL must begin with redis, not rediss"
        if not uses_tls and (isinstance(cause, ConnectionResetError) or "closed by server" in str(cause)):
            return "; if it has TLS, its URL must begin with rediss"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and the chain of its causes, each error once."""
    seen = set[int]()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


def _check_files(files: dict[str, str]) -> None:
    if KEY in files and CERTIFICATE not in files:
        raise ValueError(f"has {KEY} and no {CERTIFICATE}")
    if not files:
        return
    if files.get(CA):
        try:
            check_ca_file(files[CA])
        except ValueError as error:
            raise ValueError(f"the file of {CA} {error}") from None
    if CERTIFICATE in files:
        # ssl.create_default_context would read all certificates of the system, which takes longer than all other
        # settings.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            for name in (CERTIFICATE, KEY):
                if files.get(name):
                    _refuse_what_is_no_file(files[name])
            context.load_cert_chain(files[CERTIFICATE], files.get(KEY), password=_no_password)
        except (OSError, ValueError) as error:
            raise ValueError(f"the files of {CERTIFICATE} and {KEY}: one {_reason(error)}") from None


def _refuse_what_is_no_file(path: str) -> None:
    """Raise ``ValueError`` for a pipe or a device, whose reading may never end; ``OSError`` if there is no file."""
    if "\0" in path:
        raise ValueError("has a name with a NUL")
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # reading a directory raises an error anyway
        raise ValueError("is no regular file")


def _no_password() -> str:
    raise ValueError("is encrypted: give a key without a password")


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return "holds no certificate, or one that does not fit its key"
    if isinstance(error, OSError):
        return f"cannot be read: {(error.strerror or 'unknown reason').lower()}"
    return str(error)
