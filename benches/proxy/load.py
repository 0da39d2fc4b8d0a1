"""Load by wrk, and single requests."""

import http.client
import itertools
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from process import Process

_names = itertools.count(1)


@dataclass(frozen=True)
class Request:
    """What is asked for. `texts`: so many different queries in turn; 0 makes every one another; None is no search. With
    `rerank` off, a search is passed on as it is. `encoding`: an embedding call, whose vector is to be written so."""

    target: str
    texts: int | None = None
    limit: int = 50
    rerank: str = "on"
    encoding: str = ""

    @staticmethod
    def embedding(target: str, encoding: str) -> "Request":
        return Request(target, 0, encoding=encoding)

    @staticmethod
    def bytes(count: int) -> "Request":
        return Request(f"/bytes/{count}")

    @staticmethod
    def search(hits: int, texts: int, size: int = 2000) -> "Request":
        return Request(f"/collections/hits-{hits}-{size}/points/query", texts, hits)


@dataclass
class Run:
    """What one run of wrk came to; times in microseconds."""

    requests: int
    seconds: float
    bytes: int
    errors: int
    mean: float
    p50: float
    p99: float
    cpu: float = 0.0  # microseconds of the proxy's CPU per request

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds


def run(wrk: str, server: Process, request: Request, connections: int, seconds: float) -> Run:
    """Keeps the connections busy for so long. A response that is no success ends everything: it would be no measure."""
    texts = [] if request.texts is None else [request.texts, name_of(request), request.limit, request.rerank]
    texts += [request.encoding] if request.encoding else []
    method = "GET" if request.texts is None else "POST"
    command = [
        wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", Path(__file__).with_suffix(".lua"),
        f"http://127.0.0.1:{server.port}", "--", method, request.target, *texts,
    ]  # fmt: skip
    before = server.cpu()
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout
    used = server.cpu() - before
    result = Run(**json.loads(said.strip().splitlines()[-1]))
    if result.errors or not result.requests:
        raise RuntimeError(f"{server.child.args[0]}: {result} for {request}")
    result.cpu = used * 1e6 / result.requests
    return result


def times(port: int, target: str, count: int) -> list[float]:
    """What so many requests take, one after another on one connection; in milliseconds."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken = []
    try:
        for _ in range(count):
            begun = time.perf_counter()
            client.request("GET", target)
            response = client.getresponse()
            response.read()
            taken.append((time.perf_counter() - begun) * 1000)
            if response.status != 200:
                raise RuntimeError(f"{target}: {response.status}")
    finally:
        client.close()
    return taken


def name_of(request: Request) -> str:
    """Repeated queries have the same name in every run, so that they are in the cache; others never come again."""
    return "again" if request.texts else f"new{next(_names)}"


def ask(port: int, request: Request, query: str = "") -> tuple[http.client.HTTPResponse, bytes]:
    """One request on a connection of its own."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        if request.texts is None:
            client.request("GET", request.target)
        else:
            body = json.dumps({"query": [0.1, 0.2], "limit": request.limit, "with_payload": True})
            client.request(
                "POST", request.target, body, {"content-type": "application/json", "x-rerank-query": query}
            )
        response = client.getresponse()
        return response, response.read()
    finally:
        client.close()
