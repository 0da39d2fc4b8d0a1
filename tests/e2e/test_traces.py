"""What a real OpenTelemetry Collector writes of the traces that rerankd exports, over gRPC and over HTTP."""

import json
import os
import time
from pathlib import Path

import pytest
from support import http

DATABASE = os.environ.get("E2E_DEMO_DATABASE", "")
PROXIES = {"by-grpc": os.environ.get("E2E_GRPC", ""), "by-http": os.environ.get("E2E_HTTP", "")}
SPANS = os.environ.get("E2E_SPANS", "")
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
pytestmark = pytest.mark.skipif(not SPANS, reason="E2E_SPANS is set by `run`")


def spans_of(service: str, count: int) -> list[dict]:
    """The spans that the collector has of this service, as soon as there are so many."""
    until = time.monotonic() + 30
    while True:
        found = []
        for line in Path(SPANS).read_text().splitlines():
            for of_resource in json.loads(line)["resourceSpans"]:
                said = {pair["key"]: pair["value"] for pair in of_resource["resource"]["attributes"]}
                if said["service.name"]["stringValue"] == service:
                    found += [span for scope in of_resource["scopeSpans"] for span in scope["spans"]]
        if len(found) >= count:
            return found
        assert time.monotonic() < until, found
        time.sleep(0.1)


@pytest.mark.parametrize("service", PROXIES)
def test_a_search_is_one_trace_with_its_steps(service: str) -> None:
    name = json.loads(http("GET", DATABASE + "/collections").body)["result"]["collections"][0]["name"]
    wanted = {"limit": 1, "with_vector": True}
    read = json.loads(http("POST", f"{DATABASE}/collections/{name}/points/scroll", wanted).body)
    vector = read["result"]["points"][0]["vector"]
    headers = {"x-rerank-query": "secret words", "traceparent": f"00-{TRACE}-{CALLER}-01"}
    body = {"query": vector, "limit": 5, "with_payload": True}
    answer = http("POST", f"{PROXIES[service]}/collections/{name}/points/query", body, headers)
    assert answer.headers["x-rerank-status"] == "applied"

    spans = spans_of(service, 5)
    assert {span["traceId"] for span in spans} == {TRACE}
    by_name = {span["name"]: span for span in spans}
    server = by_name["POST /collections/*/points/query"]
    assert server["parentSpanId"] == CALLER
    assert by_name[f"query {name}"]["parentSpanId"] == by_name["rerank"]["parentSpanId"] == server["spanId"]
    assert by_name["rerank rerank-v3.5"]["parentSpanId"] == by_name["rerank"]["spanId"]
    assert "secret" not in Path(SPANS).read_text()
