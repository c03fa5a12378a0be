"""Notice at once that another process of a training run has ended, and end this one with a sentence.

Otherwise this process would wait for the other one in a collective operation, in some cases forever. Every process
holds a connection to the first one. However a process ends, the operating system closes its connection.
"""

import contextlib
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import NoReturn

CONNECT_SECONDS = 5.0
"""The time for one attempt to connect."""

GRACE = 5.0
"""The time in which this process may still end by itself, for example with the same error as the other one."""

EXIT_CODE = 1
"""The exit status of a process that ends because another one has ended."""

GOODBYE = b"."
"""The message that a process sends before it ends normally."""


class Watch:
    """The connections of a process to the others.

    If this process cannot reach the first one at any of its addresses, only the heartbeats of JAX notice its end, which
    takes longer.
    """

    def __init__(self, process: int, from_first: Callable[[bytes], bytes]):
        """`from_first` returns, in every process, the bytes that the first process passes to it."""
        self._connections: list[socket.socket] = []
        self._is_closing = False
        if process == 0:
            server = socket.create_server(("", 0), backlog=1024)
            offer = {"hosts": _own_addresses(), "port": server.getsockname()[1], "token": secrets.token_hex(16)}
            from_first(json.dumps(offer).encode())
            self._start(self._accept, server, offer["token"].encode())
        else:
            offer = json.loads(from_first(b""))
            connection = _connected(offer["hosts"], offer["port"], offer["token"].encode())
            if connection is not None:
                self._listen(connection, "the first process", 0.0)  # JAX ends this process at once as well

    def close(self) -> None:
        """Sends the goodbye, so that the other processes do not end with this one."""
        self._is_closing = True
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.sendall(GOODBYE)

    def _accept(self, server: socket.socket, token: bytes) -> None:
        while True:
            connection, _ = server.accept()
            with contextlib.suppress(OSError):
                connection.settimeout(CONNECT_SECONDS)
                if secrets.compare_digest(connection.recv(len(token), socket.MSG_WAITALL), token):
                    connection.sendall(token)
                    connection.settimeout(None)
                    self._listen(connection, "another process", GRACE)
                else:
                    connection.close()

    def _listen(self, connection: socket.socket, name: str, grace: float) -> None:
        self._connections.append(connection)
        self._start(self._wait, connection, name, grace)

    def _wait(self, connection: socket.socket, name: str, grace: float) -> None:
        """Ends this process after `grace` seconds if the connection breaks without a goodbye."""
        data = b""
        with contextlib.suppress(OSError):
            data = connection.recv(1)
        if data == GOODBYE:
            return
        time.sleep(grace)
        if not self._is_closing:
            end(name)

    @staticmethod
    def _start(work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()


def end(name: str) -> NoReturn:
    """Ends this process, because the process called `name` has ended."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(
            f"error: Stopped, because {name} has ended; its messages say why. The same command continues from the "
            "last checkpoint.",
            file=sys.stderr,
            flush=True,
        )
    os._exit(EXIT_CODE)


def _own_addresses() -> list[str]:
    """The addresses at which other machines may reach this one, and the loopback address for processes on it."""
    addresses: dict[str, None] = {}
    for name in (socket.gethostname(), socket.getfqdn()):
        with contextlib.suppress(OSError):
            addresses |= dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(name, None, socket.AF_INET))
    return [*addresses, socket.gethostname(), "127.0.0.1"]


def _connected(hosts: list[str], port: int, token: bytes) -> socket.socket | None:
    """A connection to the process with this token, or None."""
    for host in hosts:
        with contextlib.suppress(OSError):
            connection = socket.create_connection((host, port), CONNECT_SECONDS)
            connection.sendall(token)
            if connection.recv(len(token), socket.MSG_WAITALL) == token:
                connection.settimeout(None)
                return connection
            connection.close()
    return None
