"""Servers that misbehave while a data set is downloaded."""

import contextlib
import functools
import http.server
import socket
import struct
import threading
import time
from collections.abc import Iterator

from benchmarks.faults.row import Lab, Trial, row, trial

SILENCE = 3.0
"""The seconds after which a silent server is given up; the library's own limit is longer."""


class Server(http.server.BaseHTTPRequestHandler):
    """A server that misbehaves as the first part of the path says."""

    def log_message(self, *_: object) -> None:  # noqa: D102
        pass

    def do_GET(self) -> None:  # noqa: D102
        with contextlib.suppress(OSError):
            getattr(self, self.path.split("/")[1])()

    def _answer(self, status: int = 200, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def missing(self) -> None:
        """Has no such file."""
        self.send_error(404)

    def short(self) -> None:
        """Sends less than it says."""
        self._answer(content=bytes(1000), Content_Length="1000000")

    def page(self) -> None:
        """Sends a page, as the network of a hotel does."""
        self._answer(content=b"<html>log in first</html>")

    def to_a_file(self) -> None:
        """Leads to a file of the user."""
        self._answer(302, Location="file:///etc/passwd")

    def in_circles(self) -> None:
        """Leads to itself."""
        self._answer(302, Location=self.path)

    def garbage(self) -> None:
        """Speaks another language."""
        self.wfile.write(b"garbage\r\n\r\n")

    def reset(self) -> None:
        """Hangs up."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def silent(self) -> None:
        """Says nothing."""
        time.sleep(60)

    def stops(self) -> None:
        """Says one byte, and nothing more."""
        self._answer(content=b"x", Content_Length="1000000")
        time.sleep(60)

    def endless(self) -> None:
        """Does not stop."""
        self._answer()
        for _ in range(3000):
            self.wfile.write(bytes(2**20))


ANSWERS = [name for name in vars(Server) if not name.startswith(("_", "log_", "do_"))]


@row("Servers that are silent, endless, redirect, break off", "one sentence in bounded time; nothing is left behind")
def servers(lab: Lab) -> Iterator[Trial]:
    """Prepares notMNIST from a local server; a silent one is given up after 3 s here."""
    from benchmarks.faults.sandbox import outcome
    from glowjax.data import prepare
    from glowjax.data.builders import download, notmnist

    download.SILENCE = SILENCE
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {name: f"http://127.0.0.1:{server.server_address[1]}/{name}/notMNIST_small.tar.gz" for name in ANSWERS}
    urls["no such host"] = "http://nosuch.invalid/notMNIST_small.tar.gz"
    for name, url in urls.items():
        folder = lab.path("downloads")
        folder.mkdir()
        notmnist.URL = url
        said = outcome(functools.partial(prepare, "notmnist_small", folder))
        left = sorted(path.name for path in folder.iterdir())
        yield trial(name, {"refused": said.startswith("refused: "), f"nothing left ({left})": not left}, said[:300])
    server.shutdown()
