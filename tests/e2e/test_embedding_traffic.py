"""What else travels to the services once an SDK's variable names rerankd: chat as it is streamed, files, websockets, headers,
errors, all as the services and the application sent them; and which embedding calls are remembered."""

import hashlib
import http.client
import json
import os
import random
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from openai import OpenAI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

import embedding_services
from embedding_roads import ADMIN, API, DIRECT, EMBEDDINGS, QDRANT, SERVICES, THROUGH_RERANKD, needs_embeddings, seen
from support import http as ask
from toy_embedding import embed

pytestmark = needs_embeddings
FILE_BYTES = 100_000_000
MOST_GROWTH_KB = 32 * 1024
"""Of rerankd's memory while a file passes: one that it held would be seen."""
STEP_BY_STEP = {"model": "step-by-step", "stream": True, "messages": [{"role": "user", "content": "saddle?"}]}
CHATS = {
    "openai": (f"{EMBEDDINGS}/openai/v1/chat/completions", embedding_services.openai_events),
    "cohere": (f"{EMBEDDINGS}/cohere/v2/chat", embedding_services.cohere_events),
    "cohere, at the rerank endpoint": (f"{API}/v2/chat", embedding_services.cohere_events),
    "google": (f"{EMBEDDINGS}/google/v1beta/models/step-by-step:streamGenerateContent?alt=sse", embedding_services.gemini_events),
    "ollama": (f"{EMBEDDINGS}/ollama/api/chat", embedding_services.ollama_events),
}
ROADS = {"directly": f"{SERVICES}/v1", "through rerankd": f"{EMBEDDINGS}/openai/v1"}


def open_request(url: str, body: bytes | list[bytes], headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    to = urlsplit(url)
    connection = http.client.HTTPConnection(to.netloc, timeout=60)
    chunked = isinstance(body, list)
    path = to.path + (f"?{to.query}" if to.query else "")
    headers = {"content-type": "application/json", "authorization": "Bearer k"} | (headers or {})
    connection.request("POST", path, iter(body) if chunked else body, headers, encode_chunked=chunked)
    return connection.getresponse()


def client(base_url: str) -> OpenAI:
    return OpenAI(base_url=base_url, api_key="k", max_retries=0)


def most_memory(forget: bool = False) -> int:
    """Of rerankd, in kB, since it was last forgotten."""
    of_rerankd = Path(f"/proc/{os.environ['E2E_RERANKD_PID']}")
    if forget:
        (of_rerankd / "clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+) kB", (of_rerankd / "status").read_text())[1])


@pytest.mark.parametrize("chat", CHATS)
def test_every_event_of_a_chat_is_there_before_the_service_has_made_the_next(chat):
    url, events = CHATS[chat]
    response = None
    for at, event in enumerate(events()):
        ask("POST", SERVICES + "/release", {})
        response = response or open_request(url, json.dumps(STEP_BY_STEP).encode())
        got = b""
        while len(got) < len(event):
            got += (part := response.read1(len(event) - len(got)))
            assert part, f"ended in event {at}"
        assert got == event
    assert response.status == 200 and response.read() == b""


def test_a_file_of_100_MB_goes_up_and_comes_down_byte_for_byte_and_is_not_held(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(random.Random(15).randbytes(FILE_BYTES))
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    openai = client(ROADS["through rerankd"])
    before = most_memory(forget=True)
    with path.open("rb") as file:
        told = openai.files.create(file=file, purpose="user_data")
    assert (told.bytes, told.model_extra["sha256"]) == (FILE_BYTES, wanted)
    digest = hashlib.sha256()
    with openai.files.with_streaming_response.content(told.id) as response:
        for part in response.iter_bytes():
            digest.update(part)
    assert digest.hexdigest() == wanted
    assert most_memory() - before < MOST_GROWTH_KB, "rerankd held it"


@pytest.mark.parametrize("road", ROADS)
def test_an_sdks_realtime_websocket_passes(road):
    with client(ROADS[road]).realtime.connect(model="gpt-realtime") as connection:
        for text in "short", "long " * 20_000:
            event = {"type": "session.update", "session": {"type": "realtime", "instructions": text}}
            connection.send(event)
            assert json.loads(connection.recv_bytes()) == event


def test_every_message_of_a_websocket_and_how_it_ends_pass_byte_for_byte():
    makes = random.Random(15)
    url = f"{EMBEDDINGS}/openai/v1/realtime?model=m".replace("http", "ws", 1)
    with connect(url, additional_headers={"authorization": "Bearer k"}, max_size=None, compression=None) as socket:
        for size in 0, 1, 125, 126, 65_535, 65_536, 5_000_000:
            data = makes.randbytes(size)
            socket.send(data)
            assert socket.recv() == data
        socket.send("ψ text")
        assert socket.recv() == "ψ text"
        socket.close(4321, "enough")
        with pytest.raises(ConnectionClosed) as end:
            socket.recv()
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (4321, "enough")


@pytest.mark.parametrize("length", ["known", "unknown"])
def test_a_service_gets_the_applications_bytes_and_its_headers_as_they_are(length):
    data = random.Random(15).randbytes(3_000_000)
    body = data if length == "known" else [data[at : at + 70_000] for at in range(0, len(data), 70_000)]
    headers = {"content-type": "audio/x", "openai-organization": "org", "x-stainless-lang": "python", "cookie": "a=b"}
    direct, proxied = (json.loads(open_request(f"{url}/raw", body, headers).read()) for url in ROADS.values())
    assert direct["sha256"] == proxied["sha256"] == hashlib.sha256(data).hexdigest()
    told = [{name.lower(): value for name, value in one["headers"]} for one in (direct, proxied)]
    assert told[0] == told[1]


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_the_response_to_an_embedding_call_is_the_services_byte_for_byte(coding, encoding):
    body = json.dumps({"model": "m", "input": ["saddle height"], "encoding_format": encoding}).encode()
    got = []
    for url in ROADS.values():
        response = open_request(f"{url}/embeddings", body, {"accept-encoding": coding})
        headers = {name.lower(): value for name, value in response.getheaders()}
        headers = {name: value for name, value in headers.items() if name not in {"date", "connection"}}
        got.append((response.status, response.read(), headers))
    assert got[0] == got[1]
    assert (got[0][2].get("content-encoding") == "gzip") == (coding == "gzip")


def test_a_services_error_reaches_the_application_as_it_is():
    got = [ask("GET", f"{url}/models/none", headers={"authorization": "Bearer k"}) for url in ROADS.values()]
    assert got[0].status == got[1].status == 404 and got[0].body == got[1].body


def test_a_base_path_that_is_no_service_is_told_apart_from_a_services_own_404():
    response = ask("POST", f"{EMBEDDINGS}/opnai/v1/embeddings", {"model": "m", "input": "a"})
    assert response.status == 404 and b"opnai" not in response.body and b"/openai" in response.body, response.body


def searched(vector: list[float]) -> tuple[str, str]:
    response = ask("POST", f"{QDRANT}/collections/demo/points/query", {"query": vector, "limit": 5, "with_payload": True})
    assert response.status == 200
    return response.headers["x-rerank-status"], response.headers.get("x-rerank-query-source")


def vectors_of(path: str, body: dict) -> list[list[float]]:
    told = ask("POST", EMBEDDINGS + path, body, {"authorization": "Bearer k"})
    assert told.status == 200
    found = json.loads(told.body)
    return found["embeddings"]["float"] if "embeddings" in found else [one["embedding"] for one in found["data"]]


def test_queries_are_remembered_and_documents_are_not():
    def openai(texts):
        return vectors_of("/openai/v1/embeddings", {"model": "m", "input": texts})

    def cohere(text, mark):
        return vectors_of("/cohere/v2/embed", {"model": "m", "texts": [text], "input_type": mark, "embedding_types": ["float"]})

    remembered, not_remembered = ("applied", "embedding"), ("kept; reason=no_query", None)
    few = openai([f"riding a bike in winter, question {'abcdefghijklmnop'[n]}xyz number" for n in range(2)])
    assert [searched(vector) for vector in few] == [remembered] * 2, "a short list: several queries of one question"
    many = openai([f"chunk{n} of a handbook about saddles, cleats and helmets" for n in range(17)])
    assert searched(many[3]) == not_remembered, "a long list: documents"
    assert searched(cohere("asking about saddles and knees", "search_query")[0]) == remembered
    assert searched(cohere("telling about helmets and lights", "search_document")[0]) == not_remembered
    assert searched(embed("words that no one had embedded before").tolist()) == not_remembered


def test_metrics_tell_what_was_remembered_and_found_and_neither_they_nor_the_log_hold_a_text():
    word = "quixotically"
    vector = vectors_of("/openai/v1/embeddings", {"model": "m", "input": f"a {word} squeaking saddle"})[0]
    assert searched(vector) == ("applied", "embedding")
    metrics = ask("GET", ADMIN + "/metrics").body.decode()

    def total(name, *labels):
        lines = [line for line in metrics.splitlines() if line.startswith(name) and all(label in line for label in labels)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    assert total("rerankd_embedding_calls_total", 'service="openai"', 'result="remembered"') >= 1
    assert total("rerankd_embedding_lookups_total", 'result="found"') >= 1
    assert total("rerankd_embedding_lookups_total", 'result="missed"') >= 0
    assert word not in metrics and word not in Path(os.environ["E2E_RERANKD_LOG"]).read_text()


def test_a_key_goes_to_the_service_that_the_application_named_and_nowhere_else():
    seen()
    body = {"model": "m", "input": "squeaking chain", "encoding_format": "float"}
    told = ask("POST", f"{EMBEDDINGS}/openai/v1/embeddings", body, {"authorization": "Bearer of-openai"})
    assert searched(json.loads(told.body)["data"][0]["embedding"])[0] == "applied"
    calls = seen()
    assert [key for _, key in calls["calls"]] == ["of-openai"] and calls["queries"] == ["squeaking chain"]
    assert DIRECT["key"] != THROUGH_RERANKD["key"]
