"""The rerankds that Prometheus scrapes in the tests, and the traffic that makes their series move.

`main` has several providers, a budget, a route, TLS, the rerank endpoint, the embedding listener and a Redis; `shadow` reranks behind the responses; `failing` has a provider that the tests
break; `unreachable` has no database.
"""

import json
import os
import time
from urllib.parse import quote

from support import http, provider

DATABASE = os.environ.get("E2E_DEMO_DATABASE", "")
COHERE = os.environ.get("E2E_COHERE", "")
COHERE_FAILING = os.environ.get("E2E_COHERE_FAILING", "")
PROCESSES = ["main", "shadow", "failing", "unreachable"]
URLS = {name: os.environ.get(f"E2E_{name.upper()}_URL", "") for name in PROCESSES}
ADMINS = {name: os.environ.get(f"E2E_{name.upper()}_ADMIN", "") for name in PROCESSES}
API = os.environ.get("E2E_MAIN_API", "")
QUERIES = 12
"""Different searches of one round: enough for quantiles, few enough for any machine."""


def scrape(process: str) -> bytes:
    return http("GET", ADMINS[process] + "/metrics").body


def series(process: str) -> list[tuple[dict[str, str], float]]:
    """What it has now: labels, the name as `__name__`, and value. No label's value has a quote or an escape."""
    found = []
    for line in scrape(process).decode().splitlines():
        if line and not line.startswith("#"):
            left, _, value = line.rpartition(" ")
            name, _, pairs = left.rstrip("}").partition("{")
            labels = dict(pair.rstrip('"').split('="') for pair in pairs.split('",') if pair)
            found.append(({"__name__": name, **labels}, float(value)))
    return found


def total(process: str, name: str, **labels: str) -> float:
    wanted = {"__name__": name, **labels}.items()
    return sum(value for found, value in series(process) if wanted <= found.items())


class Traffic:
    def __init__(self) -> None:
        read = json.loads(http("GET", DATABASE + "/collections").body)
        self.collection = read["result"]["collections"][0]["name"]
        wanted = {"limit": QUERIES, "with_vector": True}
        read = json.loads(http("POST", f"{DATABASE}/collections/{self.collection}/points/scroll", wanted).body)
        self.vectors = [point["vector"] for point in read["result"]["points"]]
        self.rounds = 0

    def search(self, process: str, place: int, text: str | None, window: int | None = None) -> None:
        headers = {} if text is None else {"x-rerank-query": quote(text)}
        if window:
            headers["x-rerank-window"] = str(window)
        wanted = {"query": self.vectors[place], "limit": 5, "with_payload": True}
        http("POST", f"{URLS[process]}/collections/{self.collection}/points/query", wanted, headers)

    def round(self) -> None:
        """The later ones ask what the first asked, and something new: the cache is of use, and not for all."""
        self.rounds += 1
        for place in range(QUERIES):
            for process in ["main", "shadow"]:
                self.search(process, place, f"a train, question {place}")
                self.search(process, place, f"a train, question {place} of round {self.rounds}")
        self.failures()
        self.search("main", 0, None)
        for place in range(QUERIES):
            asked = {"model": "rerank-v3.5", "query": f"question {place} of round {self.rounds}", "documents": ["a train"]}
            http("POST", API + "/v2/rerank", asked)
        http("POST", API + "/v2/rerank", {"query": "and no documents"})
        for path in ["/collections", "/no/such/path"]:
            http("GET", URLS["main"] + path)
        for _ in range(4 * QUERIES):
            http("GET", URLS["unreachable"] + "/collections")
        self.search("unreachable", 0, "is anybody there")
        self.wait_for_shadows()

    def failures(self) -> None:
        def text(place: int) -> str:
            return f"a failure, question {place} of round {self.rounds}"

        provider(COHERE_FAILING, "ok")
        self.search("failing", 0, text(0), window=3)
        provider(COHERE_FAILING, "500")
        for place in range(QUERIES):  # of the first, some scores are known
            self.search("failing", place, text(place))
        provider(COHERE_FAILING, "401")
        self.search("failing", 0, text(QUERIES))
        provider(COHERE, "500")
        self.search("main", 0, text(0))  # the next provider answers
        self.search("shadow", 0, text(0))
        self.wait_for_shadows()
        provider(COHERE, "ok")

    def wait_for_shadows(self) -> None:
        deadline = time.monotonic() + 20
        asked = total("shadow", "rerankd_searches_total", reason="shadow")
        while total("shadow", "rerankd_shadow_searches_total") < asked:
            assert time.monotonic() < deadline, "searches in the shadow have not ended"
            time.sleep(0.05)
