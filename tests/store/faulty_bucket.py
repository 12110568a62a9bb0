"""A local S3 server, and a network before it that fails on demand."""

from __future__ import annotations

import http.client
import logging
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET = "labs"

Judge = Callable[[str, str], str | None]
"""Told method and path of a request; says which fault to play, if any."""

ERROR = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>AKIAPLANTED sent planted-signature</Message></Error>"


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the URL of a server with one empty bucket, in threads of this process."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow, and only these tests need it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{url}/{BUCKET}", method="PUT")).close()  # noqa: S310 - ours
    try:
        yield url
    finally:
        server.stop()


class FaultyNetwork:
    """Passes requests on to `target`, but plays the fault that `judge` names.

    '503' and the like: answered so, the server never hears of it. 'lost 500': the server does
    what it was told, and the answer is 500. 'lost': it does, and the answer never comes.
    'deaf': it never hears of it and no answer comes. 'cut': half of the answer comes.
    """

    def __init__(self, target: str) -> None:
        self.target = target.removeprefix("http://")
        self.judge: Judge = lambda method, path: None
        self.seen: list[tuple[str, str, str]] = []
        self.sent = 0
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("OurPipe", (Pipe,), {"network": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FaultyNetwork:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def first(self, count: int, fault: str, method: str, part: str = "") -> None:
        """Let the first `count` requests of that method, with `part` in their path, fail."""
        left = [count]

        def judge(asked: str, path: str) -> str | None:
            if asked != method or part not in path or not left[0]:
                return None
            left[0] -= 1
            return fault

        self.judge = judge


class Pipe(BaseHTTPRequestHandler):
    network: FaultyNetwork
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: apart, each answer waits 40 ms for the client's receipt

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.network.judge(self.command, self.path) or ""
        self.network.seen.append((self.command, self.path, fault))
        if fault.isdigit():
            self.reply(int(fault), ERROR % b"Planted")
        elif fault == "deaf":
            self.hang()
        else:
            self.answer_after(*self.passed_on(body), fault)

    def answer_after(self, status: int, content: bytes, kind: dict[str, str], fault: str) -> None:
        if fault == "lost":
            self.hang()
        elif fault == "lost 500":
            self.reply(500, ERROR % b"InternalError")
        else:
            self.reply(status, content, kind=kind, cut=fault == "cut")

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815 - the server's own names

    def passed_on(self, body: bytes) -> tuple[int, bytes, dict[str, str]]:
        onward = http.client.HTTPConnection(self.network.target)
        onward.request(self.command, self.path, body, dict(self.headers))
        found = onward.getresponse()
        content = found.read()
        kept = {name: value for name, value in found.getheaders() if name.lower() not in HOP}
        if self.command == "HEAD":
            kept["Content-Length"] = found.getheader("Content-Length") or "0"
        onward.close()
        return found.status, content, kept

    def reply(self, status: int, content: bytes, *, kind: dict[str, str] | None = None, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in (kind or {}).items():
            self.send_header(name, value)
        if "Content-Length" not in (kind or {}):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.network.sent += self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def hang(self) -> None:
        self.network.closing.wait(3)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


HOP = {"content-length", "connection", "transfer-encoding", "server", "date", "keep-alive"}
