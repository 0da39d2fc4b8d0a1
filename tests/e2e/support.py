"""What the Python tests share: where things listen, raw HTTP, and the order that a reranked response must have."""

import json
import os
import urllib.error
import urllib.request

import pytest

import cohere_standin
import corpus

DIRECT = os.environ.get("E2E_DIRECT", "")
"""The database itself."""
PROXY = os.environ.get("E2E_PROXY", "")
"""rerankd in front of it, with a provider that answers."""
PROXY_ADMIN = os.environ.get("E2E_PROXY_ADMIN", "")
"""Its admin listener."""
FAILING = os.environ.get("E2E_FAILING", "")
"""rerankd in front of it, with a provider that the tests break."""
COHERE = os.environ.get("E2E_COHERE", "")
COHERE_FAILING = os.environ.get("E2E_COHERE_FAILING", "")

WINDOW = 50
FAILURES = ["429", "500", "401", "hang", "garbage", "short"]


class Response:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        """Numbers stay the text they were, so that comparing two responses compares their digits."""
        return json.loads(self.body, parse_float=str, parse_int=str)


def http(method: str, url: str, body: object = None, headers: dict | None = None, timeout: float = 30) -> Response:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Response(response.status, response.headers, response.read())
    except urllib.error.HTTPError as response:
        with response:
            return Response(response.code, response.headers, response.read())


def provider(url: str, mode: str) -> None:
    """Tells a Cohere stand-in how to answer from now on."""
    assert http("POST", url + "/control", {"mode": mode}).status == 200


def provider_state(url: str) -> dict:
    return json.loads(http("GET", url + "/control").body)


def score(query: str, source: dict) -> float:
    return cohere_standin.score(query, f"{source['title']}\n{source['body']}")


def reranked(ids: list, query: str, window: int = WINDOW) -> list:
    """`ids` is the database's own order; the window is sorted by score, ties and the rest keep their order."""
    documents = corpus.documents()
    head = sorted(ids[:window], key=lambda one: -score(query, documents[str(one)]))
    return head + ids[window:]


def check_applied(headers) -> None:
    names = {name.lower(): value for name, value in headers.items()}
    assert names.get("x-rerank-status") == "applied", names


def check_kept(headers, *reasons: str) -> None:
    names = {name.lower(): value for name, value in headers.items()}
    status = names.get("x-rerank-status", "")
    assert status.startswith("kept; reason="), names
    if reasons:
        assert status.removeprefix("kept; reason=") in reasons, status


needs_database = pytest.mark.skipif(not (DIRECT and PROXY), reason="E2E_DIRECT and E2E_PROXY are set by `run`")
