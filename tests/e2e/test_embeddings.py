"""Programs that know nothing of rerankd, with real SDKs and frameworks: as they are, and with nothing changed but the variables
that say where services and databases are."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import cohere_standin
from embedding_roads import (
    DATABASES_ALONE,
    DEMO_DATABASE,
    DIRECT,
    EMBEDDINGS,
    OPENSEARCH,
    THROUGH_RERANKD,
    Run,
    last_search,
    needs_embeddings,
    searches_since,
    seen,
)
from support import http
from toy_embedding import DIMENSIONS, embed

pytestmark = needs_embeddings
LIMIT, WINDOW = 5, 50
INDEX = "passages"
QUESTIONS = ["how do I get my bike tyre to hold air again", "white crust in the electric kettle"]
OTHER_QUESTIONS = ["cannot sleep after a long flight", "how much salt for pasta"]
"""That are embedded where rerankd does not see it."""


@dataclass
class Program:
    file: str
    searches: int
    """How many it makes for each question."""
    variables: dict[str, str] = field(default_factory=dict)


OPENAI = {"OPENAI_BASE_URL": "{openai}", "OPENAI_API_KEY": "{key}"}
COHERE = {"CO_API_URL": "{cohere}", "CO_API_KEY": "{key}"}
GOOGLE = {"GOOGLE_GEMINI_BASE_URL": "{google}", "GEMINI_API_KEY": "{key}"}
PROGRAMS = [
    Program("openai_app.py", 3, OPENAI),
    Program("langchain_app.py", 4, OPENAI),
    Program("llama_index_app.py", 2, {"OPENAI_API_BASE": "{openai}", "OPENAI_API_KEY": "{key}"}),
    Program("haystack_app.py", 1, OPENAI),
    Program("litellm_app.py", 1, OPENAI),
    Program("cohere_app.py", 2, COHERE),
    Program("google_app.py", 2, GOOGLE),
    Program("azure_app.py", 1, {"AZURE_OPENAI_ENDPOINT": "{azure}", "AZURE_OPENAI_API_KEY": "{key}", "OPENAI_API_VERSION": "2024-10-21"}),
    Program("tei_app.py", 1, {"TEI_URL": "{tei}", "TEI_TOKEN": "{key}"}),
    Program("ollama_app.py", 2, {"OLLAMA_HOST": "{ollama}", "OLLAMA_API_KEY": "{key}"}),
    Program("openai_app.mjs", 1, OPENAI),
    Program("langchain_app.mjs", 1, OPENAI),
    Program("ai_sdk_app.mjs", 2, OPENAI),
    Program("google_app.mjs", 1, GOOGLE),
]


@pytest.fixture(scope="module")
def passages():
    """The demo's, also put into OpenSearch: by id, the texts that the two databases have of them."""
    points = http("POST", f"{DEMO_DATABASE}/collections/demo/points/scroll", {"limit": 100, "with_payload": True}).json()
    payloads = [point["payload"] for point in points["result"]["points"]]
    vector = {"type": "knn_vector", "dimension": DIMENSIONS}
    vector["method"] = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
    properties = {"content": {"type": "text"}, "embedding": vector, "metadata": {"type": "object"}}
    settings = {"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": 0}}
    created = http("PUT", f"{OPENSEARCH}/{INDEX}", {"settings": settings, "mappings": {"properties": properties}})
    assert created.status == 200, created.body
    for number, payload in enumerate(payloads):
        text = f"{payload['title']} {payload['title']} {payload['title']} {payload['text']}"
        document = {"content": payload["text"], "embedding": embed(text).tolist(), "metadata": {"number": number}}
        assert http("PUT", f"{OPENSEARCH}/{INDEX}/_doc/{number}", document).status == 201
    http("POST", f"{OPENSEARCH}/{INDEX}/_refresh")
    yield payloads
    http("DELETE", f"{OPENSEARCH}/{INDEX}")


def candidates(search: str, question: str, neighbours: int = WINDOW) -> dict[str, float]:
    """The database's own best with their scores, as many as are reranked, nearest first."""
    vector = embed(question).tolist()
    if search.startswith("OpenSearch"):
        query = {"knn": {"embedding": {"vector": vector, "k": neighbours}}}
        hits = http("POST", f"{OPENSEARCH}/{INDEX}/_search", {"query": query, "size": WINDOW}).json()["hits"]["hits"]
        return {hit["_source"]["content"]: hit["_score"] for hit in hits}
    query = {"query": vector, "limit": WINDOW, "with_payload": True}
    points = http("POST", f"{DEMO_DATABASE}/collections/demo/points/query", query).json()["result"]["points"]
    return {point["payload"]["text"]: point["score"] for point in points}


def check_own_order(found: dict) -> None:
    """Ties are in the database's order, which nobody promises between two ways to ask it: so the scores are compared. And a
    search for few neighbours may miss one that a search for more, or by a script, finds."""
    score = candidates(found["search"], found["question"])
    ways = [list(candidates(found["search"], found["question"], count).values()) for count in (LIMIT, WINDOW)]
    assert [score[text] for text in found["texts"]] in [scores[:LIMIT] for scores in ways], found


def check_reranked(found: dict, passages: list[dict]) -> None:
    """By scores too."""
    title = {payload["text"]: payload["title"] for payload in passages}

    def score(text):
        document = text if found["search"].startswith("OpenSearch") else f"{title[text]}\n{text}"
        return cohere_standin.score(found["question"], document)

    own = list(candidates(found["search"], found["question"]))
    assert [score(text) for text in found["texts"]] == sorted(map(score, own), reverse=True)[:LIMIT], found
    assert found["texts"] != own[:LIMIT], "the database's own order is the reranked one: this shows nothing"


def check_searches(rows: list[dict], found: list[dict]) -> None:
    told = sorted((row["outcome"], row["query_source"], row["query"]) for row in rows)
    assert told == sorted(("applied", "embedding", one["question"]) for one in found), rows


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_the_page_of_clients_names_the_variable_that_the_program_is_run_with(program):
    page = (Path(__file__).parent.parent.parent / "docs/embeddings.md").read_text()
    paths = {name: THROUGH_RERANKD[name].removeprefix(EMBEDDINGS) for name in THROUGH_RERANKD}
    urls = {name: value.format(**paths) for name, value in program.variables.items() if value.format(**paths).startswith("/")}
    assert urls
    for name, path in urls.items():
        line = f'InferenceClient("http://127.0.0.1:6363{path}")' if name == "TEI_URL" else f"`{name}=http://127.0.0.1:6363{path}`"
        assert line in page, line


def of_key(calls: list[list[str]], key: str) -> list[list[str]]:
    return sorted(rest for *rest, used in calls if used == key)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.file)
def test_an_unchanged_program_is_reranked_once_its_variables_name_rerankd(program, passages):
    seen()
    before = last_search()
    direct, proxied = (Run(program.file, program.variables, road, QUESTIONS) for road in (DIRECT, THROUGH_RERANKD))
    direct, proxied = direct.told(), proxied.told()
    asked = [one for one in proxied if "question" in one]
    assert len(asked) == program.searches * len(QUESTIONS)
    for found in direct:
        "question" not in found or check_own_order(found)
    for found in asked:
        check_reranked(found, passages)
    assert [one for one in direct if "answer" in one] == [one for one in proxied if "answer" in one], "the chat's words"
    check_searches(searches_since(before, len(asked)), asked)
    noted = seen()
    assert set(noted["queries"]) == set(QUESTIONS), "what the reranker was asked is what the application was asked"
    calls = of_key(noted["calls"], THROUGH_RERANKD["key"])
    assert calls and calls == of_key(noted["calls"], DIRECT["key"]), "the services got the same from the same key"


@pytest.mark.parametrize("file", ["openai_app.py", "cohere_app.py", "ai_sdk_app.mjs"])
def test_a_program_whose_database_alone_is_behind_rerankd_works_and_is_told_that_its_text_is_not_known(file, passages):
    program = next(one for one in PROGRAMS if one.file == file)
    before = last_search()
    asked = [one for one in Run(file, program.variables, DATABASES_ALONE, OTHER_QUESTIONS).told() if "question" in one]
    for found in asked:
        check_own_order(found)
    rows = searches_since(before, len(asked))
    assert [(row["outcome"], row["reason"]) for row in rows] == [("kept", "no_query")] * len(asked), rows


@pytest.mark.parametrize("databases", ["direct", "through rerankd"])
def test_coheres_url_at_the_rerank_endpoint_alone_serves_embed_search_rerank_and_answer(databases, passages):
    seen()
    variables = {"CO_API_URL": "{chain}", "CO_API_KEY": "{key}"}
    road = THROUGH_RERANKD if databases == "through rerankd" else {**DIRECT, "chain": THROUGH_RERANKD["chain"], "key": THROUGH_RERANKD["key"]}
    before = last_search()
    direct, chained = (Run("cohere_chain.py", variables, way, QUESTIONS) for way in (DIRECT, road))
    direct, chained = direct.told(), chained.told()
    assert [one for one in chained if one.get("search") == "reranked"] == [one for one in direct if one.get("search") == "reranked"]
    assert chained[-1] == direct[-1] and chained[-1]["answer"]
    found = [one for one in chained if one.get("search") == "found"]
    if databases == "direct":
        assert found == [one for one in direct if one.get("search") == "found"]
    else:
        check_searches(searches_since(before, len(found)), found)
    calls = of_key(seen()["calls"], THROUGH_RERANKD["key"])
    assert [path for path, *_ in calls] == ["/v2/chat"] + ["/v2/embed"] * len(QUESTIONS), "with the caller's own key"
