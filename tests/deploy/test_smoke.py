"""The program, started as each manifest starts it, between a stand-in for the database and one for Cohere."""

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pod import Pod, get
from support import DEPLOY, EXAMPLES, ROOT, objects, one, pods, rerankd_of

QUERY = "late train refund"
TEXTS = ["hanging a picture", "a refund for a late train", "sowing a lawn"]


class Database(BaseHTTPRequestHandler):
    """Responses every search with the same hits, in Qdrant's form or in Elasticsearch's, and echoes everything else."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.endswith("/points/query"):
            points = [
                {"id": n, "version": 0, "score": 0.9 - n / 10, "payload": {"text": text}}
                for n, text in enumerate(TEXTS)
            ]
            body = {"result": {"points": points}, "status": "ok", "time": 0.001}
        elif self.path.endswith("/_search"):
            hits = [
                {"_index": "docs", "_id": str(n), "_score": 3.0 - n, "_source": {"text": text}}
                for n, text in enumerate(TEXTS)
            ]
            total = {"value": len(hits), "relation": "eq"}
            body = {
                "took": 1,
                "timed_out": False,
                "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
                "hits": {"total": total, "max_score": 3.0, "hits": hits},
            }
        else:
            body = {"path": self.path, "sent": sent.decode()}
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_PUT = do_POST


@pytest.fixture(scope="module")
def database():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.fixture(scope="module")
def cohere():
    """The stand-in of the end-to-end tests; its key is `test`."""
    server = subprocess.Popen(
        [sys.executable, ROOT / "tests/e2e/cohere_standin.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield server.stdout.readline().split()[1]
    server.stdin.close()
    server.wait(timeout=10)


def example(name: str) -> tuple[dict, dict, dict]:
    """The pod's spec, its rerankd, and its ConfigMap's files."""
    manifests = objects((DEPLOY / f"plain/{name}.yaml").read_text())
    [(_, pod)] = pods(manifests)
    return pod["spec"], rerankd_of(pod)[0], one(manifests, "ConfigMap")["data"]


def secrets_named(config: dict[str, str]) -> dict[str, str]:
    """A value for every file below secrets/ that the configuration names."""
    words = " ".join(config.values()).split()
    return {word.rsplit("/", 1)[1]: "test\n" for word in words if "/secrets/" in word}


def search(address: str) -> tuple[str | None, list[int], bytes]:
    """What the proxy says it did, the hits' ids in order, and the whole response."""
    body = json.dumps({"query": [0.1, 0.2], "limit": 3, "with_payload": True}).encode()
    headers = {"content-type": "application/json", "x-rerank-query": QUERY.replace(" ", "%20")}
    request = urllib.request.Request(f"http://{address}/collections/docs/points/query", body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=10) as response:
        whole = response.read()
        return response.headers["x-rerank-status"], [hit["id"] for hit in json.loads(whole)["result"]["points"]], whole


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_starts_responses_its_probes_reranks_with_the_key_of_the_secret_and_stops_in_time(name, database, cohere):
    spec, container, config = example(name)
    with Pod(container, database, cohere, config, secrets_named(config)) as pod:
        # The moment the startup probe succeeds the app starts, and may search.
        status, ids, _ = search(pod.proxy)
        assert (status, ids) == ("applied", [1, 0, 2]), pod.logged()
        assert pod.probe("livenessProbe") == pod.probe("readinessProbe") == 200
        scraped = get(f"http://{pod.admin}/metrics")
        assert scraped[0] == 200 and "rerankd_searches_total" in scraped[1]
        pod.tell_to_stop()
        assert pod.process.wait(timeout=spec.get("terminationGracePeriodSeconds", 30)) == 0, pod.logged()
        assert "BAD CONFIGURATION" not in pod.logged()


@pytest.mark.parametrize(
    ("config", "secrets"),
    [
        pytest.param({"rerankd.yaml": "rerank: [\n"}, {}, id="a file that is no YAML"),
        pytest.param({"rerankd.yaml": "rerank: { windwo: 3 }\n"}, {}, id="a file with a key that is unknown"),
        pytest.param({}, {}, id="no ConfigMap"),
        pytest.param(None, {}, id="no Secret"),
    ],
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_whatever_is_missing_or_broken_the_pod_starts_as_a_plain_proxy(name, config, secrets, database, cohere):
    _, container, good = example(name)
    with Pod(container, database, cohere, good if config is None else config, secrets) as pod:
        direct = search(database.removeprefix("http://"))
        through = search(pod.proxy)
        assert through[1:] == direct[1:] and through[0] in (None, "kept; reason=off"), pod.logged()
        assert pod.probe("readinessProbe") == 200
        assert "rerankd_passthrough 1\n" in get(f"http://{pod.admin}/metrics")[1]
        assert "BAD CONFIGURATION" in pod.logged()


def until(what, pod: Pod) -> None:
    """Waits, for as long as a busy machine may need, until something holds."""
    end = time.monotonic() + 20
    while not what():
        assert time.monotonic() < end, pod.logged()
        time.sleep(0.1)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_change_of_the_config_map_reaches_the_running_pod_and_a_bad_one_does_not(name, database, cohere):
    _, container, config = example(name)
    off = {"rerankd.yaml": config["rerankd.yaml"] + "rerank: { mode: off }\n"}
    with Pod(container, database, cohere, config, secrets_named(config)) as pod:
        assert search(pod.proxy)[0] == "applied"
        pod.put("config", off)
        until(lambda: search(pod.proxy)[0] == "kept; reason=off", pod)
        pod.put("config", {"rerankd.yaml": "rerank: { windwo: 3 }\n"})
        until(lambda: "BAD CONFIGURATION" in pod.logged(), pod)
        assert search(pod.proxy)[0] == "kept; reason=off"
        pod.put("config", config)
        until(lambda: search(pod.proxy)[0] == "applied", pod)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_secret_that_comes_later_or_changes_reaches_the_running_pod(name, database, cohere):
    _, container, config = example(name)
    with Pod(container, database, cohere, config, {}) as pod:
        assert search(pod.proxy)[0] == "kept; reason=off"
        pod.put("secrets", {**secrets_named(config), "cohere-api-key": "wrong\n"})
        until(lambda: search(pod.proxy)[0] == "kept; reason=auth", pod)
        pod.put("secrets", secrets_named(config))
        until(lambda: search(pod.proxy)[0] == "applied", pod)


def test_alone_a_pod_that_is_told_to_stop_serves_on_until_the_service_has_forgotten_it(database, cohere):
    spec, container, config = example("standalone")
    with Pod(container, database, cohere, config, secrets_named(config)) as pod:
        pod.tell_to_stop()
        until(lambda: pod.probe("readinessProbe") == 503, pod)
        assert search(pod.proxy)[0] == "applied" and pod.probe("livenessProbe") == 200
        assert pod.process.wait(timeout=spec["terminationGracePeriodSeconds"]) == 0, pod.logged()


def connection_of(address: str) -> tuple[str | None, int]:
    """What the response to a search says of its connection, and its status."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/collections/docs/points/query", b"{}", {"content-type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.headers["connection"], response.status


def test_in_front_of_qdrant_clients_are_told_to_leave_when_the_pod_begins_to_end(database, cohere):
    spec, container, config = example("qdrant")
    with Pod(container, database, cohere, config, secrets_named(config)) as pod:
        assert connection_of(pod.proxy) == (None, 200)
        hook = pod.pre_stop()
        assert hook.returncode == 0, hook.stderr + pod.logged()
        until(lambda: pod.probe("readinessProbe") == 503, pod)
        # It goes on for as long as Qdrant does.
        assert connection_of(pod.proxy) == ("close", 200) and pod.probe("livenessProbe") == 200
        pod.tell_to_stop()
        assert pod.process.wait(timeout=spec["terminationGracePeriodSeconds"]) == 0, pod.logged()
