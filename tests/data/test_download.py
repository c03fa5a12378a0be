"""Downloads from a server that misbehaves end in one sentence, soon, and leave nothing behind."""

import http.server
import itertools
import threading
import time

import pytest

from glowjax.checks import InputError
from glowjax.data.builders import download as module
from glowjax.data.builders.download import download

CONTENT = bytes(range(256)) * 40


class Handler(http.server.BaseHTTPRequestHandler):
    """Each path is a way to answer."""

    def do_GET(self):
        getattr(self, self.path.rsplit("/", 1)[-1])()

    def log_message(self, *_):
        pass

    def answer(self, pieces, code=200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)

    def whole(self):
        self.answer([CONTENT])

    def absent(self):
        self.send_error(404)

    def short(self):
        self.answer([CONTENT[:100]], Content_Length=str(len(CONTENT)))

    def page(self):
        self.answer([b"<html>Please log in</html>"])

    def to_a_file(self):
        self.answer([], 302, Location="file:///etc/passwd")

    def in_a_circle(self):
        self.answer([], 302, Location=self.path)

    def garbage(self):
        self.wfile.write(b"garbage\r\n\r\n")

    def closed(self):
        self.connection.close()

    def silent(self):
        time.sleep(2)

    def drop_by_drop(self):
        self.answer(time.sleep(0.05) or b"x" for _ in range(40))

    def endless(self):
        self.answer(itertools.repeat(bytes(2**16)))


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # a client that has heard enough
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_file_comes_whole(server, tmp_path):
    download(f"{server}/whole", tmp_path / "a.gz", len(CONTENT))
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("absent", "HTTPError: HTTP Error 404"),
        ("short", "sent 100 bytes; expected 10,240"),
        ("page", "sent 26 bytes; expected 10,240"),
        ("to_a_file", "cannot be downloaded .*HTTPError"),
        ("in_a_circle", "cannot be downloaded .*HTTPError"),
        ("garbage", "cannot be downloaded .*BadStatusLine"),
        ("closed", "cannot be downloaded"),
        ("silent", "cannot be downloaded .*[Tt]ime"),
        ("drop_by_drop", "cannot be downloaded .*TimeoutError: .* bytes in 0.3 seconds"),
        ("endless", "sent more bytes; expected 10,240"),
    ],
)
def test_a_server_that_misbehaves_is_given_up(server, way, message, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.3)
    monkeypatch.setattr(module, "DEADLINE", 0.3)
    with pytest.raises(InputError, match=message) as caught:
        download(f"{server}/{way}", tmp_path / "a.gz", len(CONTENT))
    assert str(caught.value).endswith(f"; bring a.gz into {tmp_path} by other means and prepare again.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://nosuch.invalid/a", "http://127.0.0.1:1/a", "no address"])
def test_an_address_without_a_server_is_given_up(url, tmp_path):
    with pytest.raises(InputError, match="cannot be downloaded"):
        download(url, tmp_path / "a.gz", len(CONTENT))


def test_a_server_may_not_lead_from_an_encrypted_address_to_an_open_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(
        module.urllib.request,
        "urlopen",
        lambda url, timeout, real=module.urllib.request.urlopen: real(f"{server}/whole", timeout=timeout),
    )
    with pytest.raises(InputError, match="which is not encrypted"):
        download("https://127.0.0.1/whole", tmp_path / "a.gz", len(CONTENT))
