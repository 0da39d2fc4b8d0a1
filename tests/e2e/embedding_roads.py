"""Where the programs of `embeddings/` are sent: straight to services and databases, or to rerankd; and what rerankd says it did."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import http

SERVICES = os.environ.get("E2E_SERVICES", "")
"""The stand-ins for the embedding services, and for the rerank service."""
EMBEDDINGS = os.environ.get("E2E_EMBEDDINGS", "")
"""rerankd's listener for embedding services."""
API = os.environ.get("E2E_API", "")
"""rerankd's rerank endpoint."""
ADMIN = os.environ.get("E2E_ADMIN", "")
DEMO_DATABASE, QDRANT = os.environ.get("E2E_DEMO_DATABASE", ""), os.environ.get("E2E_QDRANT", "")
OPENSEARCH, OPENSEARCH_PROXY = os.environ.get("E2E_OPENSEARCH", ""), os.environ.get("E2E_OPENSEARCH_PROXY", "")

DIRECT = {
    "openai": f"{SERVICES}/v1",
    "cohere": SERVICES,
    "chain": SERVICES,
    "google": SERVICES,
    "ollama": SERVICES,
    "azure": SERVICES,
    "tei": SERVICES,
    "key": "test",
    "QDRANT_URL": DEMO_DATABASE,
    "QDRANT_GRPC_PORT": os.environ.get("E2E_DEMO_GRPC", ""),
    "OPENSEARCH_URL": OPENSEARCH,
}
THROUGH_RERANKD = {
    "openai": f"{EMBEDDINGS}/openai/v1",
    "cohere": f"{EMBEDDINGS}/cohere",
    "chain": API,
    "google": f"{EMBEDDINGS}/google",
    "ollama": f"{EMBEDDINGS}/ollama",
    "azure": f"{EMBEDDINGS}/azure",
    "tei": f"{EMBEDDINGS}/tei",
    "key": "of-the-application",
    "QDRANT_URL": QDRANT,
    "QDRANT_GRPC_PORT": os.environ.get("E2E_QDRANT_GRPC", ""),
    "OPENSEARCH_URL": OPENSEARCH_PROXY,
}

needs_embeddings = pytest.mark.skipif(not EMBEDDINGS, reason="E2E_EMBEDDINGS and its like are set by `run`")


class Run:
    """A program on one of the roads, with nothing but variables to tell it so."""

    def __init__(self, file: str, variables: dict[str, str], road: dict[str, str], questions: list[str]):
        here = Path(os.environ["E2E_PROGRAMS_JS"]) if file.endswith(".mjs") else Path(__file__).parent / "embeddings"
        databases = {name: value for name, value in road.items() if name.isupper()}
        theirs = {name: value.format(**road) for name, value in variables.items()}
        command = ["node" if file.endswith(".mjs") else sys.executable, str(here / file), *questions]
        environment = {**os.environ, **databases, **theirs}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)

    def told(self) -> list[dict]:
        try:
            out, said = self.process.communicate(timeout=90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        assert self.process.returncode == 0, said.decode()[-3000:]
        return [json.loads(line) for line in out.splitlines()]


# A vector store alone was put behind rerankd: no variable of an embedding SDK has changed.
DATABASES_ALONE = {**DIRECT, **{name: value for name, value in THROUGH_RERANKD.items() if name.isupper()}}


def seen() -> dict:
    """What reached the stand-ins since the last time."""
    return json.loads(http("GET", SERVICES + "/seen").body)


def last_search() -> int:
    searches = json.loads(http("GET", ADMIN + "/api/searches").body)["searches"]
    return max((search["number"] for search in searches), default=0)


def searches_since(number: int, count: int) -> list[dict]:
    """The inspector's records, which are made after the responses: waits until there are as many."""
    until = time.monotonic() + 10
    while True:
        rows = json.loads(http("GET", ADMIN + "/api/searches").body)["searches"]
        rows = [row for row in rows if row["number"] > number]
        if len(rows) >= count or time.monotonic() > until:
            return rows
        time.sleep(0.02)
