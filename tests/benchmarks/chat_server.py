"""A chat endpoint on loopback that says what a script tells it to: for tests of those who ask endpoints."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What the server sends."""

    status: int
    body: bytes
    retry_after: str = ""


Script = Callable[[Mapping[str, Any]], Reply | str]


class Served(NamedTuple):
    """A running server.

    Attributes:
        url: of its API.
        asked: the requests so far.
        keys: their Authorization headers.
    """

    url: str
    asked: list[Mapping[str, Any]]
    keys: list[str]


def said(text: str, finish: str = "stop") -> Reply:
    """A completion."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return Reply(200, json.dumps({"choices": [choice], "usage": usage}).encode())


@contextmanager
def serving(script: Script) -> Iterator[Served]:
    """Serve while the block runs; a script that returns a text says it."""
    asked: list[Mapping[str, Any]] = []
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: the second of two waits until the first is acknowledged, which takes 40 ms.
        wbufsize = -1

        def do_GET(self) -> None:
            self._send(Reply(200, b'{"data": [{"id": "scripted"}]}'))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(body)
            keys.append(self.headers.get("Authorization", ""))
            reply = script(body)
            self._send(said(reply) if isinstance(reply, str) else reply)

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            if reply.retry_after:
                self.send_header("Retry-After", reply.retry_after)
            self.end_headers()
            self.wfile.write(reply.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_address[1]}/v1", asked, keys)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
