"""A stand-in for Cohere's rerank API (v2). It is NOT Cohere: tests cannot reach the real service.

It answers `POST /v2/rerank` with a deterministic scorer (the share of the query's words that a document has), is as strict
as the documentation says the real one is, and can be told to fail:

    POST /control  {"mode": "ok" | "429" | "500" | "401" | "hang" | "garbage" | "short"}   forgets calls and violations
    GET  /control  {"mode", "calls", "violations", "last"}
    POST /score    {"query", "documents"} -> {"scores": [...]}      the scorer itself, for tests in other languages

    cohere_standin.py [PORT]

Prints `cohere-standin http://127.0.0.1:PORT` and ends when its standard input closes.
"""

import json
import os
import re
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIELDS = {"model", "query", "documents", "max_tokens_per_doc", "priority"}
MODES = {"ok", "429", "500", "401", "hang", "garbage", "short"}
ERRORS = {
    "429": (429, "You are past the per minute request limit, please wait and try again later."),
    "500": (500, "internal server error, this has been reported to our developers."),
    "401": (401, "invalid api token"),
}
HANG_SECONDS = 20


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def score(query: str, document: str) -> float:
    """0 to 1: the share of the query's words that are in the document."""
    asked = words(query)
    return round(len(asked & words(document)) / len(asked), 6) if asked else 0.0


class Problem(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def check(body: object, authorization: str | None) -> None:
    """Raises what the documented API would reject, and what rerankd promises not to send."""
    if authorization != "Bearer test":
        raise Problem(401, "invalid api token")
    if not isinstance(body, dict):
        raise Problem(400, "invalid request: body must be an object")
    for name in body.keys() - FIELDS:
        hint = "rerankd never sends it" if name == "top_n" else "unknown field"
        raise Problem(422, f"{hint}: parameter '{name}' is not a valid field")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Problem(400, "invalid request: model is required")
    if not isinstance(body.get("query"), str) or not body["query"].strip():
        raise Problem(400, "invalid request: query must not be empty")
    documents = body.get("documents")
    if not isinstance(documents, list) or not 1 <= len(documents) <= 1000:
        raise Problem(400, "invalid request: between 1 and 1000 documents are wanted")
    for index, document in enumerate(documents):
        if not isinstance(document, str):
            raise Problem(422, f"invalid type: document at index {index} is not a string")
        if not document.strip():
            raise Problem(400, f"invalid request: document at index {index} cannot be empty")


class State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.release = threading.Event()
        self.mode = "ok"
        self.calls = 0
        self.violations: list[str] = []
        self.last: object = None

    def set_mode(self, mode: str) -> None:
        with self.lock:
            self.release.set()
            self.release = threading.Event()
            self.mode, self.calls, self.violations, self.last = mode, 0, [], None


STATE = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def response(self, status: int, body: object) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> object:
        data = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            return json.loads(data)
        except ValueError:
            raise Problem(400, "invalid request: not JSON") from None

    def do_GET(self) -> None:
        if self.path != "/control":
            return self.response(404, {"message": "not found"})
        with STATE.lock:
            self.response(
                200,
                {"mode": STATE.mode, "calls": STATE.calls, "violations": STATE.violations, "last": STATE.last},
            )

    def do_POST(self) -> None:
        try:
            body = self.body()
            if self.path == "/control":
                if body["mode"] not in MODES:
                    raise Problem(400, f"modes: {', '.join(sorted(MODES))}")
                STATE.set_mode(body["mode"])
                self.response(200, {"mode": body["mode"]})
            elif self.path == "/score":
                self.response(200, {"scores": [score(body["query"], text) for text in body["documents"]]})
            elif self.path == "/v2/rerank":
                self.rerank(body)
            elif self.path == "/v2/embed":
                self.embed(body)
            else:
                raise Problem(404, f"not found: {self.path}")
        except Problem as problem:
            with STATE.lock:
                STATE.violations.append(str(problem))
            self.response(problem.status, {"id": str(uuid.uuid4()), "message": str(problem)})

    def embed(self, body: object) -> None:
        with STATE.lock:
            STATE.last = {"embed": body, "authorization": self.headers.get("authorization")}
        vectors = [[len(text) / 100, 0.25, -0.5] for text in body["texts"]]
        self.response(
            200,
            {
                "id": str(uuid.uuid4()),
                "embeddings": {"float": vectors},
                "texts": body["texts"],
                "meta": {"api_version": {"version": "2"}},
                "response_type": "embeddings_by_type",
            },
        )

    def rerank(self, body: object) -> None:
        with STATE.lock:
            mode, release = STATE.mode, STATE.release
            STATE.calls += 1
            STATE.last = body
        check(body, self.headers.get("authorization"))
        if mode in ERRORS:
            status, message = ERRORS[mode]
            return self.response(status, {"id": str(uuid.uuid4()), "message": message})
        if mode == "hang":
            release.wait(HANG_SECONDS)
            self.close_connection = True
            return
        if mode == "garbage":
            return self.response(200, b'{"results": [{"index": 0')
        scores = [score(body["query"], document) for document in body["documents"]]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        if mode == "short":
            order = order[:-1]
        self.response(
            200,
            {
                "id": str(uuid.uuid4()),
                "results": [{"index": index, "relevance_score": scores[index]} for index in order],
                "meta": {
                    "api_version": {"version": "2"},
                    "billed_units": {"search_units": -(-len(scores) // 100)},
                },
            },
        )


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"cohere-standin http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
