"""TLS: the connection goes to the checked address, and the name stays the name: in SNI, in the certificate, as Host."""

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from a3s_code_http.client import Httpx2Client, Sent

from a3s_code.plugin import HttpRequest, ModelError, ModelErrorKind

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


class TlsServer:
    """Answers every request with "secret" under one certificate; remembers the names that clients asked for."""

    def __init__(self, certificate: Path):
        self.names: list[str | None] = []
        self.hosts: list[str] = []
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(10)
            try:
                with self._tls.wrap_socket(plain, server_side=True) as connection:
                    lines = connection.recv(65536).decode().split("\r\n")
                    self.hosts += [line[6:] for line in lines if line.lower().startswith("host: ")]
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
            except OSError:  # the client did not like the certificate
                plain.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for site.example, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "site.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=site.example"
    options = ["-addext", "subjectAltName=DNS:site.example", "-keyout", path.with_suffix(".key"), "-out", path]
    subprocess.run([*command.split(), *options], check=True, capture_output=True)
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[TlsServer]:
    server = TlsServer(certificate)
    yield server
    server.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.fixture(autouse=True)
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3s_code_http.egress.is_public", lambda answer: answer == "127.0.0.1")


def browse(server: TlsServer, host: str = "site.example") -> tuple[bytes, list[Sent]]:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async def main() -> bytes:
        request = HttpRequest(method="GET", url=f"https://{host}:{server.port}/")
        try:
            async with client.public_web().send(request) as response:
                return b"".join([chunk async for chunk in response.chunks()])
        finally:
            await client.aclose()

    seen: list[Sent] = []
    client = Httpx2Client(resolve=resolve, record=seen.append)
    return asyncio.run(main()), seen


@pytest.mark.usefixtures("trusted")
def test_the_address_is_connected_to_under_the_name(server: TlsServer):
    body, seen = browse(server)
    assert body == b"secret"
    assert server.names == ["site.example"]
    assert server.hosts == [f"site.example:{server.port}"]
    assert [(sent.connected_to, sent.url) for sent in seen] == [("127.0.0.1", f"https://site.example:{server.port}/")]


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_refused(server: TlsServer):
    with pytest.raises(ModelError, match=r"other\.example") as caught:
        browse(server, "other.example")
    assert caught.value.kind is ModelErrorKind.CONNECTION
    assert server.hosts == []


def test_a_certificate_that_nobody_signed_is_refused(server: TlsServer):
    with pytest.raises(ModelError, match="certificate") as caught:
        browse(server)
    assert caught.value.kind is ModelErrorKind.CONNECTION
    assert server.hosts == []
