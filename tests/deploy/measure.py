"""Measures what docs/kubernetes.md says of sizing: memory per cache entry, CPU per 1,000 searches.

    RERANKD_BIN=target/deploy/image/stage/out/rerankd target/deploy/venv/bin/python tests/deploy/measure.py

CPU is the process's own (user and system, from /proc), so that the peers, which stand in, do not count. One client
searches over one connection; every search has 50 candidates of 1,000 bytes. Memory is the resident set.
"""

import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pod import free_port, get

RERANKD = os.environ["RERANKD_BIN"]
CANDIDATES, DOCUMENT_BYTES, SEARCHES = 50, 1000, 1000
WORDS = [f"word{n}" for n in range(500)]


def text(seed: str) -> str:
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(DOCUMENT_BYTES // 7))[:DOCUMENT_BYTES]


def page(seed: str) -> bytes:
    points = [
        {"id": n, "version": 0, "score": 1 - n / 100, "payload": {"text": text(f"{seed}/{n}")}}
        for n in range(CANDIDATES)
    ]
    return json.dumps({"result": {"points": points}, "status": "ok", "time": 0.001}).encode()


class Peer(BaseHTTPRequestHandler):
    """The database, at any path, and Cohere, at /v2/rerank."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    pages: dict[str, bytes] = {}

    def log_message(self, *_):
        pass

    def do_POST(self):
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/v2/rerank":
            count = len(json.loads(sent)["documents"])
            results = [{"index": n, "relevance_score": (n * 7 % count) / count} for n in range(count)]
            data = json.dumps({"id": "x", "results": results, "meta": {"billed_units": {"search_units": 1}}}).encode()
        else:
            data = self.pages.get(self.path) or page(self.path)
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Rerankd:
    def __init__(self, peer: str):
        self.proxy, self.admin = free_port(), free_port()
        folder = Path(tempfile.mkdtemp())
        config = folder / "rerankd.yaml"
        config.write_text("rerank: { deadline: 10s }\nproviders: { cohere: { breaker: { slow_ratio: 1 } } }\n")
        variables = {
            "RERANKD_LISTEN": f"127.0.0.1:{self.proxy}",
            "RERANKD_ADMIN__LISTEN": f"127.0.0.1:{self.admin}",
            "RERANKD_UPSTREAM__URL": peer,
            "CO_API_URL": peer,
            "CO_API_KEY": "test",
            "RUST_LOG": "warn",
        }
        self.process = subprocess.Popen([RERANKD, "serve", "--config", config], env=variables)
        while True:
            try:
                if get(f"http://127.0.0.1:{self.admin}/readyz")[0] == 200:
                    break
            except OSError:
                time.sleep(0.02)
        self.client = http.client.HTTPConnection("127.0.0.1", self.proxy)

    def search(self, collection: str, query: str, rerank: bool = True) -> None:
        headers = {"content-type": "application/json", **({"x-rerank-query": query} if rerank else {"x-rerank": "off"})}
        body = '{"query": [0.1, 0.2], "limit": 10, "with_payload": true}'
        self.client.request("POST", f"/collections/{collection}/points/query", body, headers)
        answer = self.client.getresponse()
        answer.read()
        expected = "applied" if rerank else "kept; reason=off"
        assert answer.headers["x-rerank-status"] == expected, answer.headers["x-rerank-status"]

    def cpu(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) * 1024

    def metric(self, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", get(f"http://127.0.0.1:{self.admin}/metrics")[1], re.M)
        return float(found[1])


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Peer.pages = {"/collections/same/points/query": page("same")}
    rerankd = Rerankd(f"http://127.0.0.1:{server.server_address[1]}")
    try:
        print(f"resident after start: {rerankd.resident() / 2**20:.1f} MiB")
        for name, query in (
            ("every score from the provider", "q{}"),
            ("every score from the cache", "same"),
            ("passed through", None),
        ):
            rerankd.search("same", "same")
            before = rerankd.cpu()
            for n in range(SEARCHES):
                rerankd.search("same", (query or "").format(n), rerank=query is not None)
            print(f"CPU for {SEARCHES} searches, {name}: {rerankd.cpu() - before:.2f} s")
        before, entries, counted = (
            rerankd.resident(),
            rerankd.metric("rerankd_cache_entries"),
            rerankd.metric("rerankd_cache_bytes"),
        )
        for n in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
            rerankd.search("same", f"more{n}")
        more = rerankd.metric("rerankd_cache_entries") - entries
        print(
            f"memory for {more:.0f} more cache entries: {(rerankd.resident() - before) / more:.0f} bytes each resident,"
            f" {(rerankd.metric('rerankd_cache_bytes') - counted) / more:.0f} counted against cache.max_bytes"
        )
        print(
            f"resident at the end: {rerankd.resident() / 2**20:.1f} MiB"
            f" with {rerankd.metric('rerankd_cache_entries'):.0f} entries"
        )
    finally:
        rerankd.process.kill()
        rerankd.process.wait()
        server.shutdown()


if __name__ == "__main__":
    main()
