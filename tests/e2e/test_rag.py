"""The recipe for answers from long documents, as docs/recipes.md has it, with the configuration that stands there: Cohere's SDK
and OpenSearch are real, Cohere is a stand-in."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from embedding_roads import OPENSEARCH, needs_embeddings, seen
from ports import free_ports
from support import http
from toy_embedding import DIMENSIONS

pytestmark = needs_embeddings
ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs/recipes.md").read_text()
SERVICES = os.environ.get("E2E_SERVICES", "")
INDEX = "handbook"
CORPUS = [json.loads(line) for line in (ROOT / "src/demo/corpus.jsonl").read_text().splitlines()]
TOPICS = sorted({entry["topic"] for entry in CORPUS})
HANDBOOKS = [set(TOPICS[at : at + 2]) for at in range(0, len(TOPICS), 2)]


def handbook(topics: set[str]) -> str:
    """One long document."""
    return "\n\n".join(f"{entry['title']}. {entry['text']}" for entry in CORPUS if entry["topic"] in topics)


def configuration() -> str:
    section = PAGE.split("## Answers from long documents")[1]
    return re.search(r"```yaml\n(.*?)```", section, re.S)[1]


@pytest.fixture(scope="module")
def rerankd(tmp_path_factory):
    """By the page's configuration; the environment only says where everything is."""
    search, api, admin = free_ports(3)
    text = configuration().replace("http://127.0.0.1:9200", OPENSEARCH).replace("127.0.0.1:6353", f"127.0.0.1:{api}")
    file = tmp_path_factory.mktemp("rag") / "rerankd.yaml"
    file.write_text(text)
    own = {"CO_API_KEY": "test", "CO_API_URL": SERVICES, "RERANKD_EMBEDDINGS__SERVICES__COHERE__URL": SERVICES}
    command = [os.environ["E2E_RERANKD"], "serve", "--config", str(file), "--listen", f"127.0.0.1:{search}"]
    log = (tmp_path_factory.getbasetemp() / "rag.log").open("w")
    process = subprocess.Popen([*command, "--admin", f"127.0.0.1:{admin}"], env={**os.environ, **own}, stderr=log)
    try:
        wait_ready(process, f"http://127.0.0.1:{admin}/readyz")
        yield f"http://127.0.0.1:{search}", f"http://127.0.0.1:{api}"
    finally:
        process.terminate()
        assert process.wait(30) == 0


def wait_ready(process, url):
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            if http("GET", url).status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("rerankd is not ready")


@pytest.fixture(scope="module")
def app(rerankd):
    os.environ.update({"OPENSEARCH_URL": rerankd[0], "CO_API_URL": rerankd[1], "CO_API_KEY": "of-the-application"})
    sys.path.insert(0, str(Path(__file__).parent))
    from recipes import rag_app

    vector = {"type": "knn_vector", "dimension": DIMENSIONS, "method": {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}}
    properties = {"text": {"type": "text"}, "vector": vector}
    settings = {"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": 0}}
    assert http("PUT", f"{OPENSEARCH}/{INDEX}", {"settings": settings, "mappings": {"properties": properties}}).status == 200
    rag_app.add(INDEX, [handbook(topics) for topics in HANDBOOKS])
    yield rag_app
    http("DELETE", f"{OPENSEARCH}/{INDEX}")


@pytest.mark.parametrize("number", [3, 40, 60])
def test_the_answer_is_of_the_passage_that_has_it_and_says_how_sure_it_is(app, number):
    wanted = next(entry for entry in CORPUS if entry["id"] == number)
    question = wanted["text"].split(".")[0].split(":")[0]
    seen()
    told = app.ask(INDEX, question)
    long = next(handbook(topics) for topics in HANDBOOKS if wanted["topic"] in topics)
    assert wanted["text"].startswith(told["answer"].rstrip(".")[:20]), told["answer"]
    [documents] = seen()["documents"]
    first = documents[0]
    assert wanted["text"][:40] in first and first in long, "the passage of the document that answers comes first"
    assert len(first.encode()) <= 1200 < len(long.encode()), "and not the whole document"
    assert told["cited"] == {told["sources"][0]["id"]}
    assert told["confidence"] > 0.5


def test_a_question_that_no_document_answers_is_not_sent_to_the_language_model(app):
    seen()
    told = app.ask(INDEX, "brillig slithy toves gyre gimble wabe")
    assert told["answer"] == "The documents do not say."
    assert told["confidence"] < 0.1
    assert not [path for path, *_ in seen()["calls"] if path == "/v2/chat"]
