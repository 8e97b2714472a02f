import contextlib
import os
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.kit.tls import Certificates
from times_dispatch.tls_options import (
    certificate_problem,
    check_ca_file,
    check_options,
    files_of,
    scheme_advice,
    without_options,
)

URL = "rediss://:swordfish@redis.example:6379/0"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def problem(url: str) -> str:
    """Return why the options of a URL cannot be used, in one line without the password."""
    with pytest.raises(ValueError, match=r"^.+$") as invalid:
        check_options(url)
    assert "swordfish" not in str(invalid.value)
    return str(invalid.value)


def test_the_files_of_a_url_are_read_by_their_options(certificates: Certificates) -> None:
    options = f"ssl_ca_certs={certificates.ca}&ssl_certfile={certificates.client}&ssl_keyfile={certificates.client_key}"
    check_options(f"{URL}?{options}")
    assert files_of(f"{URL}?{options}") == {
        "ssl_ca_certs": str(certificates.ca),
        "ssl_certfile": str(certificates.client),
        "ssl_keyfile": str(certificates.client_key),
    }
    assert without_options(f"{URL}?{options}") == URL


def test_a_url_without_options_and_one_that_asks_for_the_check_are_fine() -> None:
    check_options(URL)
    check_options(f"{URL}?ssl_cert_reqs=required")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{URL}?ssl_cert_reqs=none", "ssl_cert_reqs cannot turn the check of the certificate off"),
        (f"{URL}?ssl_check_hostname=0", "has an unknown option ssl_check_hostname: a URL may have ssl_ca_certs, "),
        (f"{URL}?nothing", "has an unknown option nothing: "),
        ("rediss://:sword?swordfish@redis.example/0", "has an unknown option: "),
        (f"{URL}?ssl_ca_certs=/nowhere/ca.pem", "the file of ssl_ca_certs cannot be read: no such file or directory"),
        (f"{URL}?ssl_ca_certs={__file__}", "the file of ssl_ca_certs holds no certificate"),
        (f"{URL}?ssl_certfile={__file__}", "the files of ssl_certfile and ssl_keyfile: one holds no certificate"),
        (f"{URL}?ssl_ca_certs=a%00b", "the file of ssl_ca_certs has a name with a NUL"),
        (f"{URL}?ssl_keyfile=a", "has ssl_keyfile and no ssl_certfile"),
        (f"{URL}?ssl_ca_certs=a&ssl_ca_certs=b", "has an option twice"),
        ("redis://h/0?ssl_ca_certs=a", "has options for TLS, and redis:// has no TLS: write rediss:// or amqps://"),
    ],
)
def test_options_that_cannot_be_used_give_one_line(url: str, words: str) -> None:
    assert problem(url).startswith(words)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
def test_a_pipe_is_refused_and_not_waited_for(certificates: Certificates, option: str) -> None:
    pipe = certificates.ca.parent / "pipe"
    os.mkfifo(pipe)
    other = f"&ssl_certfile={certificates.client}" if option == "ssl_keyfile" else ""
    assert problem(f"{URL}?{option}={pipe}{other}").endswith("is no regular file")


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_no_file_of_certificates(device: str) -> None:
    with pytest.raises(ValueError, match=r"^is no regular file$"):
        check_ca_file(device)


def test_a_link_to_a_file_of_certificates_is_followed(certificates: Certificates) -> None:
    link = certificates.ca.parent / "link.pem"
    link.symlink_to(certificates.ca)
    check_ca_file(str(link))


def test_a_key_that_is_encrypted_asks_nobody_for_its_password(certificates: Certificates) -> None:
    key = serialization.load_pem_private_key(certificates.client_key.read_bytes(), None)
    certificates.client_key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"swordfish"),
        )
    )
    url = f"{URL}?ssl_certfile={certificates.client}&ssl_keyfile={certificates.client_key}"
    assert problem(url).endswith("one is encrypted: give a key without a password")


def _connect_to_another() -> None:
    try:
        error = ssl.SSLCertVerificationError()
        error.verify_message = "self-signed certificate"
        raise error
    except ssl.SSLCertVerificationError:
        raise ConnectionError from None


def test_a_certificate_problem_is_found_behind_other_errors() -> None:
    with pytest.raises(ConnectionError) as refused:
        _connect_to_another()
    expected = "presents a certificate that is not trusted: self-signed certificate"
    assert certificate_problem(refused.value) == expected
    assert certificate_problem(ConnectionError()) == ""


NO_TLS = "; if it has no TLS, its URL must begin with redis, not rediss"
HAS_TLS = "; if it has TLS, its URL must begin with rediss"


@pytest.mark.parametrize(
    ("error", "with_tls", "without_tls"),
    [
        (TimeoutError(), NO_TLS, ""),
        (ssl.SSLError(1, "wrong version number"), NO_TLS, ""),
        (ConnectionResetError(104, "reset"), "", HAS_TLS),
        (RedisConnectionError("Connection closed by server."), "", HAS_TLS),
        (ConnectionRefusedError(111, "refused"), "", ""),
        (socket.gaierror(-2, "unknown name"), "", ""),
        (None, "", ""),
    ],
)
def test_advice_on_the_scheme_comes_only_where_tls_may_be_on_one_side(
    error: Exception | None, with_tls: str, without_tls: str
) -> None:
    behind = ConnectionError()
    behind.__cause__ = error
    assert scheme_advice(behind, uses_tls=True) == with_tls
    assert scheme_advice(behind, uses_tls=False) == without_tls


def test_a_server_that_sends_a_tls_alert_is_not_said_to_have_no_tls(certificates: Certificates) -> None:
    """A server sends such an alert, for instance, to a client without a certificate or with new TLS versions only."""
    server = certificates.server("trusted", wants_client=True)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.create_default_context(cafile=certificates.ca)
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    peer = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, peer, client, peer):
        with contextlib.suppress(ssl.SSLError):  # each side waits for the other side, until the server refuses
            side.do_handshake()
    with pytest.raises(ssl.SSLError, match="_ALERT_") as refused:
        client.do_handshake()
    assert scheme_advice(refused.value, uses_tls=True) == ""
