"""Posting to whoever gave an address: over real sockets, to those who are good, slow, false, or not to be reached."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chalicelib.core.posting import MOST_BYTES, NotPostedError, Posted, PostError, post

HERE = partial(post, body=b"{}", headers={"X-Key": "secret"}, private=True)
IN_HASTE = partial(HERE, patience=0.6)
OK = b"HTTP/1.1 200 OK\r\n"


def whole(line: socket.socket) -> bytes:
    """A request with its body, or the beginning of a handshake: who closes with something unread breaks the line."""
    raw = line.recv(65536)
    while raw[:1] == b"P" and not raw.endswith(b"{}"):
        raw += line.recv(65536)
    return raw


@contextmanager
def answering(
    *parts: bytes, endless: bytes = b"", context: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """A server on loopback that answers every call with these parts, then `endless` again and again: port, requests."""
    heard: list[bytes] = []
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError):
                line, _ = listener.accept()
                with context.wrap_socket(line, server_side=True) if context else line as each:
                    heard.append(whole(each))
                    for part in parts:
                        each.sendall(part)
                    while endless and not over.wait(0.005):
                        each.sendall(endless)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1], heard
        finally:
            over.set()
            thread.join()


def test_an_answer_comes_back_with_its_status_whatever_it_is() -> None:
    with answering(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}") as (port, heard):
        assert HERE(f"http://127.0.0.1:{port}/hook") == Posted(status=410, body=b"{}")
    assert heard[0].startswith(b"POST /hook HTTP/1.1\r\n")
    assert b"X-Key: secret\r\n" in heard[0]


def test_a_redirect_is_followed_nowhere() -> None:
    with answering(b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n") as (
        port,
        heard,
    ):
        assert HERE(f"http://127.0.0.1:{port}/").status == 307
    assert len(heard) == 1


def test_too_long_an_answer_is_no_answer_but_its_status_counts() -> None:
    with answering(OK + b"\r\n", b"x" * (MOST_BYTES + 1)) as (port, _):
        assert HERE(f"http://127.0.0.1:{port}/") == Posted(status=200, body=b"")


@pytest.mark.parametrize("said", [OK, OK + b"\r\n"], ids=["in its headers", "in its body"])
def test_who_says_a_byte_at_a_time_is_heard_only_until_the_deadline_and_its_status_counts(
    said: bytes,
) -> None:
    with answering(said, endless=b"x") as (port, _):
        began = time.monotonic()
        assert IN_HASTE(f"http://127.0.0.1:{port}/").status == 200
        assert time.monotonic() - began < 3


def test_who_never_comes_to_its_status_may_have_heard_it() -> None:
    with answering(endless=b"x") as (port, heard):
        with pytest.raises(PostError, match="no_answer") as failed:
            IN_HASTE(f"http://127.0.0.1:{port}/")
        assert not isinstance(failed.value, NotPostedError)
    assert heard


def test_who_breaks_off_may_have_heard_it() -> None:
    with answering() as (port, heard), pytest.raises(PostError, match="no_answer") as failed:
        HERE(f"http://127.0.0.1:{port}/")
    assert not isinstance(failed.value, NotPostedError)
    assert heard
    assert "secret" not in str(failed.value)


def refusal(url: str, *, private: bool = False) -> str:
    with pytest.raises(NotPostedError) as refused:
        post(url, b"{}", {}, private=private)
    return refused.value.reason


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 — nobody binds to it
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b:1::1]",
        "[2002:a00:1::1]",
        "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
        "[::10.0.0.1]",
        "[fec0::1]",
        "224.0.0.1",
        "2130706433",
        "0x7f.1",
    ],
)
def test_no_address_of_a_network_of_ones_own_is_called(host: str) -> None:
    assert refusal(f"https://{host}/") == "private_address"


def test_without_https_only_this_machine_is_called_and_only_where_that_is_allowed() -> None:
    assert refusal("http://192.0.2.1/", private=True) == "not_https"
    assert refusal("http://127.0.0.1/") == "private_address"
    assert refusal("ftp://127.0.0.1/", private=True) == "not_https"


def test_a_name_that_leads_nowhere_and_a_port_where_nobody_listens_are_told_apart() -> None:
    assert refusal("https://nobody.invalid/") == "unknown_host"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert refusal(f"https://127.0.0.1:{port}/", private=True) == "unreachable"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for 127.0.0.1, that nobody has signed but itself, with its key."""
    key, now = generate_private_key(SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "partner.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + signed.public_bytes(Encoding.PEM))
    return file


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [
        ("127.0.0.1", True, None),
        ("localhost", True, "bad_certificate"),
        ("127.0.0.1", False, "bad_certificate"),
    ],
    ids=["good", "of another name", "signed by nobody we trust"],
)
def test_a_certificate_must_hold_for_the_name(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str, *, trusted: bool, reason: str | None
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with answering(OK + b"Content-Length: 2\r\n\r\n{}", context=context) as (port, heard):
        ask: Callable[[str], Posted] = HERE
        if reason is None:
            assert ask(f"https://{host}:{port}/") == Posted(status=200, body=b"{}")
        else:
            assert refusal(f"https://{host}:{port}/", private=True) == reason
    assert len(heard) == (reason is None), "nobody else hears a word"


def test_a_handshake_that_does_not_come_to_an_end_is_given_up() -> None:
    with answering(endless=b"\x16") as (port, _):
        assert refusal(f"https://127.0.0.1:{port}/", private=True) == "unreachable"
