"""Callbacks over real connections on loopback; refused targets never see one."""

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from emoscribe.errors import CallbackRefusedError, SettingsError
from emoscribe.jobs import CallbackOptions, CallbackSender, Job, JobOptions, check_callback_url
from emoscribe.jobs.callback_target import parse_callback_url, resolve
from emoscribe.jobs.callbacks import event_id, sign

SECRET = b"a secret of at least 24 bytes"
JOB = Job(
    id="ab" * 32,
    tenant="default",
    source_name="conversa é.mp4",
    source_bytes=5,
    options=JobOptions(),
    state="done",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    finished_at=datetime(2026, 1, 2, tzinfo=UTC),
    callback="pending",
)

Answer = Callable[[BaseHTTPRequestHandler], None]


class Receiver(ThreadingHTTPServer):
    """A customer's server."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer(self)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def url(self, host: str = "127.0.0.1", scheme: str = "http", path: str = "/done?x=1") -> str:
        return f"{scheme}://{host}:{self.server_port}{path}"


@pytest.fixture
def receive() -> Iterator[Callable[[Answer], Receiver]]:
    servers: list[Receiver] = []

    def start(answer: Answer) -> Receiver:
        servers.append(Receiver(answer))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def sender(**options: object) -> CallbackSender:
    values: dict[str, object] = {"secret": SECRET, "allow_loopback": True, "timeout_s": 5.0, **options}
    return CallbackSender(CallbackOptions(**values))  # type: ignore[arg-type]  # options by name


# --- sending ---


def test_a_customer_can_check_what_arrives(receive: Callable[[Answer], Receiver]) -> None:
    server = receive(status(204))
    assert sender().send(JOB, server.url()) == "delivered"
    assert sender().send(JOB, server.url()) == "delivered"
    body, headers = server.bodies[0], server.headers[0]
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == "analysis.done"
    assert told["data"] == JOB.model_dump(mode="json")
    assert headers["webhook-id"] == server.headers[1]["webhook-id"]
    assert headers["host"] == f"127.0.0.1:{server.server_port}"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"done", b"DONE"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another secret").verify(body, headers)


def test_an_old_message_is_known_to_be_old() -> None:
    stale = sign(b"{}", "evt_1", int(time.time()) - 3600, SECRET)
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(SECRET).verify(b"{}", stale)


def test_event_ids_tell_events_apart() -> None:
    others = [JOB.model_copy(update=one) for one in ({"id": "cd" * 32}, {"state": "failed"}, {"finished_at": None})]
    assert len({event_id(job) for job in (JOB, *others)}) == 4
    assert event_id(JOB) == event_id(JOB.model_copy(update={"callback": "delivered"}))


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, "delivered"),
        (299, "delivered"),
        (302, "try_again"),
        (404, "try_again"),
        (410, "give_up"),
        (500, "try_again"),
    ],
)
def test_what_the_answer_means(receive: Callable[[Answer], Receiver], code: int, outcome: str) -> None:
    assert sender().send(JOB, receive(status(code)).url()) == outcome


def test_redirects_are_not_followed(receive: Callable[[Answer], Receiver]) -> None:
    inner = receive(status(200))
    outer = receive(status(307, Location=inner.url()))
    assert sender().send(JOB, outer.url()) == "try_again"
    assert len(outer.bodies) == 1
    assert inner.bodies == []


def test_nobody_there_means_try_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert sender().send(JOB, f"http://127.0.0.1:{port}/") == "try_again"
    assert sender().send(JOB, "http://nowhere.invalid/") == "try_again"


def test_a_server_that_answers_byte_by_byte_is_cut_off(receive: Callable[[Answer], Receiver]) -> None:
    cut_off = threading.Event()

    def dribble(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not cut_off.wait(0.02):
                handler.wfile.write(b"X-Header: x\r\n")
        except OSError:
            cut_off.set()

    assert sender(timeout_s=0.3).send(JOB, receive(dribble).url()) == "try_again"
    assert cut_off.wait(20)


@pytest.mark.parametrize("nonsense", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 999999\r\n\r\n"])
def test_nonsense_means_try_again(receive: Callable[[Answer], Receiver], nonsense: bytes) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(nonsense)
        handler.close_connection = True

    assert sender().send(JOB, receive(answer).url()) == "try_again"


def test_tls_is_checked_against_the_name(
    receive: Callable[[Answer], Receiver], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server, authority = receive(status(200)), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    assert sender().send(JOB, server.url("localhost", "https")) == "try_again"
    trusted = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    assert sender().send(JOB, server.url("localhost", "https")) == "delivered"
    assert sender().send(JOB, server.url("127.0.0.1", "https")) == "try_again"


def test_a_short_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(SettingsError):
        CallbackSender(CallbackOptions(b"short"))
    assert "secret of" not in repr(CallbackOptions(SECRET))


# --- targets ---


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "//example.org/",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://example.org:port/",
        "https://[::1/",
        "https://exa mple.org/",
        "https://example.org/a\r\nHost: other",
        "https://example.org/ação",
        "javascript:alert(1)",
        "",
    ],
)
def test_only_plain_addresses_are_taken(url: str) -> None:
    with pytest.raises(CallbackRefusedError):
        parse_callback_url(url)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",  # noqa: S104  # refused, not bound to
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "localhost",
    ],
)
def test_only_public_addresses_are_taken(host: str) -> None:
    with pytest.raises(CallbackRefusedError):
        check_callback_url(f"http://{host}/")


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]"])
def test_allowing_loopback_allows_nothing_else(host: str) -> None:
    check_callback_url("http://127.0.0.1/", allow_loopback=True)
    check_callback_url("http://[::1]/", allow_loopback=True)
    with pytest.raises(CallbackRefusedError):
        check_callback_url(f"http://{host}/", allow_loopback=True)


@pytest.mark.parametrize("host", ["93.184.216.34", "[2606:4700:4700::1111]", "[64:ff9b::808:808]"])
def test_public_addresses_are_taken(host: str) -> None:
    check_callback_url(f"https://{host}/x")


def test_every_address_of_a_name_must_be_public(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_addresses(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with pytest.raises(CallbackRefusedError):
        resolve(parse_callback_url("https://example.org/"), allow_loopback=False)


def test_a_name_that_leads_elsewhere_when_sending_is_refused(
    receive: Callable[[Answer], Receiver], caplog: pytest.LogCaptureFixture
) -> None:
    """DNS rebinding: checked at submission, changed since."""
    server = receive(status(200))
    with caplog.at_level(logging.WARNING):
        assert sender(allow_loopback=False).send(JOB, server.url("localhost")) == "give_up"
    assert server.bodies == []


def test_the_checked_address_is_the_one_connected_to(
    receive: Callable[[Answer], Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once: a second answer cannot differ from the checked one."""
    server = receive(status(200))
    lookups: list[str] = []
    original = socket.getaddrinfo

    def counting(host: str, *args: object, **options: object) -> object:
        lookups.append(host)
        return original(host, *args, **options)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    assert sender().send(JOB, server.url("localhost")) == "delivered"
    assert lookups.count("localhost") == 1
    assert json.loads(server.bodies[0])["data"]["id"] == JOB.id
    assert server.headers[0]["host"] == f"localhost:{server.server_port}"


def test_a_name_that_cannot_be_resolved_is_refused_at_submission() -> None:
    with pytest.raises(CallbackRefusedError, match="resolved"):
        check_callback_url("https://nowhere.invalid/")
    with pytest.raises(CallbackRefusedError):
        check_callback_url(f"https://{'a' * 70}.example.org/")
