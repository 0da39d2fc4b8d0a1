"""Responses of a real Qdrant 1.18.3, recorded, given again over sockets.

A client names the exchange that it is about to make in the header `x-recorded` (`241-py-query`: a file of
tests/fixtures/qdrant) and then makes the call that was recorded. The request must be the recorded one, but that rerankd
may ask for more hits and more payload. Whatever else differs, and whatever of rerankd's own arrives, is noted:

    GET /violations    what was wrong since the last time it was asked

Prints `qdrant-recorded http://127.0.0.1:PORT` and ends when its standard input closes.
"""

import base64
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures" / "qdrant"
WIDENED = {"limit", "offset", "with_payload"}
VIOLATIONS: list[str] = []


def recorded(name: str) -> dict:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def body_of(side: dict) -> bytes:
    return base64.b64decode(side["body"]) if side["body_encoding"] == "base64" else side["body"].encode()


def narrowed(body: object) -> object:
    """A search without what rerankd may ask differently."""
    if not isinstance(body, dict):
        return body
    kept = {key: value for key, value in body.items() if key not in WIDENED}
    if "searches" in kept:
        kept["searches"] = [narrowed(one) for one in kept["searches"]]
    return kept


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/violations":
            told, VIOLATIONS[:] = json.dumps(VIOLATIONS).encode(), []
            return self.response(200, "OK", [("content-type", "application/json")], told)
        name = self.headers.get("x-recorded")
        if name is None:
            VIOLATIONS.append(f"{self.command} {self.path} names no exchange")
            return self.response(500, "Not Recorded", [], b"")
        exchange = recorded(name)
        VIOLATIONS.extend(f"{name}: {problem}" for problem in self.problems(exchange["request"], body))
        response = exchange["response"]
        headers = [(key, value) for key, value in response["headers"] if key not in {"content-length", "transfer-encoding"}]
        data = body_of(response)
        coding = dict(headers).get("content-encoding")
        if coding and coding not in (self.headers.get("accept-encoding") or ""):
            headers = [(key, value) for key, value in headers if key != "content-encoding"]
            data = response["body_decoded"].encode()
        self.response(response["status"], response["reason"], headers, data)

    do_GET = do_POST = do_PUT = do_DELETE = serve

    def problems(self, request: dict, body: bytes) -> list[str]:
        found = [f"header {name}" for name in self.headers if name.lower().startswith("x-rerank")]
        if (self.command, self.path) != (request["method"], request["target"]):
            found.append(f"{self.command} {self.path}")
        if body != body_of(request):
            sent, wanted = (json.loads(one or b"null") for one in (body, body_of(request)))
            if self.headers.get("accept-encoding") == "identity":
                sent, wanted = narrowed(sent), narrowed(wanted)
            if sent != wanted:
                found.append(f"body {body!r}")
        return found

    def response(self, status: int, reason: str, headers: list[tuple[str, str]], data: bytes) -> None:
        self.send_response_only(status, reason)
        for name, value in [*headers, ("content-length", str(len(data)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"qdrant-recorded http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
