"""The manifests in a real cluster: admitted, started and probed by it, and rolled under load from one version to another
and back."""

import asyncio
import collections
import json
import os
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import cluster
import pytest
from cluster import NEW, OLD, kubectl

sys.path.append(str(Path(__file__).resolve().parents[2] / "benches" / "fleet"))

import load  # noqa: E402
from workload import Workload  # noqa: E402

RATE = float(os.environ.get("CLUSTER_RATE", "200"))
SECONDS = float(os.environ.get("CLUSTER_SECONDS", "120"))


@dataclass(frozen=True)
class Shape:
    """One way to run rerankd. `service` and `port` are where searches go; `most_failed`: the share of searches that may fail."""

    overlay: str
    workload: str
    container: str
    service: str
    port: int
    target: str
    # A kept connection may close just as its client uses it again, and this one sends nothing twice (RFC 9112 §9.3.1).
    most_failed: float = 0.0001

    def request(self, query: int) -> bytes:
        if self.target.endswith("_search"):
            body = b'{"query":{"match":{"text":"refund of train %d"}},"size":50}' % query
            named = b""
        else:
            body = b'{"query":[0.1,0.2,0.3,0.4],"limit":50,"with_payload":true}'
            named = b"x-rerank-query: refund%%20of%%20train%%20%d\r\n" % query
        return (
            b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n%s"
            % (self.target.encode(), self.service.encode(), len(body), named, body)
        )


QUERY = "/collections/docs/points/query"
SHAPES = [
    Shape("standalone", "deployment/rerankd", "rerankd", "rerankd", 6343, "/docs/_search"),
    Shape("client", "deployment/search-app", "rerankd", "search-app", 8080, QUERY),
    Shape("database", "statefulset/qdrant", "rerankd", "qdrant", 6333, QUERY),
]


@pytest.fixture(scope="module", autouse=True)
def node():
    running = cluster.start()
    kubectl("apply", "--filename", str(cluster.HERE / "overlays" / "peers.yaml"))
    kubectl("create", "secret", "generic", "rerankd", "--from-literal=cohere-api-key=test")
    cluster.rolled_out("deployment/elasticsearch")
    cluster.rolled_out("deployment/provider")
    yield
    running.stdin.close()
    running.wait(30)


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.overlay)
def shape(request):
    cluster.apply(request.param.overlay)
    cluster.rolled_out(request.param.workload)
    cluster.eventually("two pods are ready", lambda: two_are_ready(request.param))
    yield request.param
    cluster.delete(request.param.overlay)


def two_are_ready(shape: Shape) -> bool:
    """The autoscaler brings the second of the shape that stands alone."""
    return cluster.get(shape.workload)["status"].get("readyReplicas") == 2


def test_a_rolling_update_under_load_fails_no_search_but_on_connections_that_close_as_they_are_used(shape):
    began = collections.Counter()

    def roll(image: str) -> None:
        kubectl("set", "image", shape.workload, f"{shape.container}={image}")
        cluster.rolled_out(shape.workload)
        began[image] += 1

    # One after another, for as long as there is load: the versions are mixed most of the time.
    def roll_to_and_fro() -> None:
        loop = asyncio.get_event_loop_policy().new_event_loop()
        end = loop.time() + SECONDS - 20
        image = OLD
        while loop.time() < end:
            image = NEW if image == OLD else OLD
            roll(image)
        loop.close()

    workload = Workload(RATE, SECONDS, 2000, 1.0, 1)
    where = cluster.address(shape.service, shape.port)
    answers = asyncio.run(load.send(workload.arrivals(), [where], shape.request, [(5, roll_to_and_fro)]))
    ended = collections.Counter(each.status or "failed" for each in answers)
    times = sorted(each.seconds * 1000 for each in answers if each.status)
    print(
        f"\n{shape.overlay}: {len(answers):,} searches, {began.total()} rollouts, {dict(ended)}, "
        f"p50 {times[len(times) // 2]:.1f} ms, p99 {times[int(0.99 * len(times))]:.1f} ms"
    )
    assert began[NEW] >= 1, "both versions ran"
    assert ended["failed"] <= shape.most_failed * len(answers), [(round(each.due, 2), each.failure) for each in answers if not each.status]
    assert ended["applied"] > 0.99 * len(answers), ended


def test_every_rerankd_runs_as_the_manifests_say(shape):
    label = "rerankd/metrics=enabled"
    for pod in cluster.pods(label):
        statuses = pod["status"]["containerStatuses"] + pod["status"].get("initContainerStatuses", [])
        [status] = [each for each in statuses if each["name"] == shape.container]
        assert status["ready"] and status["restartCount"] == 0, status
        [condition] = [each for each in pod["status"]["conditions"] if each["type"] == "Ready"]
        assert condition["status"] == "True"
        about = urllib.request.urlopen(f"http://{pod['status']['podIP']}:9464/readyz", timeout=5)
        assert about.status == 200
        assert "rerankd_searches_total" in metrics(pod)
        # Nobody else may use the pod's address for what only the pod's own application is meant to reach.
        if shape.overlay == "client":
            with pytest.raises(OSError):
                urllib.request.urlopen(f"http://{pod['status']['podIP']}:6343/", timeout=5)


def metrics(pod: dict) -> str:
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9464/metrics", timeout=5) as response:
        return response.read().decode()


@pytest.mark.parametrize("shape", SHAPES[:1], ids=lambda shape: shape.overlay, indirect=True)
def test_a_changed_configuration_reaches_running_pods(shape):
    before = [pod["metadata"]["name"] for pod in cluster.pods("rerankd/metrics=enabled")]
    changed = "providers: { cohere: { api_key_file: /etc/rerankd/secrets/cohere-api-key } }\nrerank: { mode: 'off' }\n"
    patch = json.dumps({"data": {"rerankd.yaml": changed}})
    kubectl("patch", "configmap", "rerankd", "--type=merge", "--patch", patch)

    def off() -> bool:
        answers = asyncio.run(
            load.send([(0.0, 1, 0)], [cluster.address(shape.service, shape.port)], shape.request)
        )
        return answers[0].status == "kept; reason=off"

    cluster.eventually("searches are no longer reranked", off, patience=240)
    assert [pod["metadata"]["name"] for pod in cluster.pods("rerankd/metrics=enabled")] == before
