"""`rerankd eval` and `rerankd calibrate` on a real OpenSearch, with a stand-in for the rerank service."""

import functools
import itertools
import json
import os
import struct

import pytest

import corpus
from eval_command import EXACT, RERANKD, Ran, as_run, by_query, check_report
from support import COHERE, COHERE_FAILING, DIRECT, http, provider, provider_state, reranked, score

pytestmark = pytest.mark.skipif(not (RERANKD and DIRECT and COHERE), reason="E2E_RERANKD and E2E_DIRECT are set by `run`")
INDEX = "e2e-eval"
ENV = {"CO_API_KEY": "test"}


def queries() -> dict[str, str]:
    """Pairs and triples of the words that the first stage does not know."""
    pairs, triples = itertools.combinations(corpus.ASPECTS, 2), itertools.combinations(corpus.ASPECTS, 3)
    texts = [" ".join(words) for words in [*pairs, *triples]]
    return {f"q{number}": text for number, text in enumerate(texts)}


@functools.cache
def grades() -> dict[str, dict[str, int]]:
    """A document that has all words is relevant. One query has nothing relevant."""
    documents = corpus.documents()
    found = {q: {doc: int(score(text, source) == 1) * 2 for doc, source in documents.items()} for q, text in queries().items()}
    found["q7"] = dict.fromkeys(found["q7"], 0)
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    http("DELETE", f"{DIRECT}/{INDEX}")
    lines = [part for doc, source in corpus.documents().items() for part in ({"index": {"_id": doc}}, source)]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert not http("POST", f"{DIRECT}/{INDEX}/_bulk?refresh=true", body).json()["errors"]
    folder = tmp_path_factory.mktemp("eval")

    def line(query: str, text: str) -> str:
        body = {"query": {"match": {"body": corpus.FIRST_STAGE}}, "size": 10, "ext": {"rerank": {"query": text}}}
        category = "pair" if len(text.split()) == 2 else "triple"
        return json.dumps({"id": query, "category": category, "path": f"/{INDEX}/_search", "body": body})

    (folder / "queries.jsonl").write_text("\n".join(line(*pair) for pair in queries().items()))
    qrels = [f"{query} 0 {doc} {grade}" for query, docs in grades().items() for doc, grade in docs.items()]
    (folder / "qrels.txt").write_text("\n".join(qrels))
    yield folder
    http("DELETE", f"{DIRECT}/{INDEX}")


def run(files, command: str, service: str, *more: str) -> Ran:
    own = ["--queries", str(files / "queries.jsonl"), "--judgments", str(files / "qrels.txt"), "--upstream", DIRECT]
    return Ran(command, *own, "--json", *more, env={**ENV, "CO_API_URL": service})


@functools.cache
def database_order(size: int) -> list[str]:
    body = {"query": {"match": {"body": corpus.FIRST_STAGE}}, "size": size, "_source": False}
    return [hit["_id"] for hit in http("POST", f"{DIRECT}/{INDEX}/_search", body).json()["hits"]["hits"]]


def test_eval_says_what_database_and_server_rank(files):
    provider(COHERE, "ok")
    ran = run(files, "eval", COHERE)
    assert ran.code == 0, ran.err
    report = ran.json()
    order = database_order(50)
    for query in report["evaluation"]["queries"]:
        assert query["before"] == order[:10]
        assert query["after"] == reranked(order, queries()[query["query"]])[:10], query
    assert check_report(report, grades()) > 300
    assert any("q7" in note and "no relevant document" in note for note in report["notes"]), report["notes"]
    state = provider_state(COHERE)
    assert (state["calls"], state["violations"]) == (len(queries()), [])
    assert report["evaluation"]["cost"]["search_units"] == len(queries())
    assert report["evaluation"]["groups"][0]["measures"][0]["interval"]["low"] > 0


def test_calibrate_suggests_what_check_loads(files, tmp_path):
    provider(COHERE, "ok")
    page = tmp_path / "report.html"
    ran = run(files, "calibrate", COHERE, "--min-queries", "10", "--report", str(page))
    assert ran.code == 0, ran.err
    report = ran.json()
    assert check_report(report, grades()) > 300
    groups = {group["category"]: group for group in report["calibration"]["groups"]}
    assert set(groups) == {"pair", "triple"}
    # What is relevant scores 1, all else less: a floor of 1 loses nothing.
    for group in groups.values():
        assert group["scorer"] == {"provider": "cohere", "model": "rerank-v3.5"}
        assert group["floor"]["min_score"] == 1.0 and group["floor"]["reached"]["recall"] == 1.0
        assert [point["window"] for point in group["window"]["curve"]] == [10, 20, 30, 50, 70]
        assert sum(group["histogram"]["upper"]) + sum(group["histogram"]["lower"]) == 70 * group["queries"] - skipped(group)
    # The curve's last point is a rerank of everything.
    window = groups["pair"]["window"]
    assert window["curve"][-1]["gain"] > 0 and window["window"] in (20, 30, 50, 70)
    for category, group in groups.items():
        own = [q for q, text in queries().items() if len(text.split()) == (2 if category == "pair" else 3)]
        check_window_curve(group["window"]["curve"], own, (group["order"]["best"] or ["relevance"])[0])
        check_floor_curve(group["floors"], own)
    (tmp_path / "rerankd.yaml").write_text(f"listeners: [{{ upstream: {{ url: '{DIRECT}' }} }}]\n{report['yaml']}")
    checked = Ran("check", "--all", "--config", str(tmp_path / "rerankd.yaml"), env=ENV)
    assert checked.code == 0 and "min_score: 1" in checked.out and f'collection: "{INDEX}"' in checked.out, checked.out
    assert provider_state(COHERE)["violations"] == []


def test_texts_alone_are_asked_of_every_field_and_without_judgments_change_is_told(files, tmp_path):
    provider(COHERE, "ok")
    lines = [json.dumps({"id": query, "text": f"{corpus.FIRST_STAGE} {text}"}) for query, text in queries().items()]
    (tmp_path / "texts.jsonl").write_text("\n".join(lines))
    args = ["--queries", str(tmp_path / "texts.jsonl"), "--collection", INDEX, "--upstream", DIRECT, "--limit", "5"]
    ran = Ran("eval", *args, "--json", env={**ENV, "CO_API_URL": COHERE})
    assert ran.code == 0, ran.err
    report = ran.json()
    assert report["evaluation"]["outcomes"] == {"applied": len(lines)}
    assert all(len(query["before"]) == len(query["after"]) == 5 for query in report["evaluation"]["queries"])
    assert check_report(report, {}) == 2 * len(lines)
    told = Ran("eval", *args, env={**ENV, "CO_API_URL": COHERE}).out
    assert "not whether it gets better" in told, told


def ordered(order: list[str], query: str, window: int, way: str | dict) -> list[str]:
    """The order that a way to fuse makes of so many candidates, by the formulas of the documentation."""
    by_relevance = reranked(order, queries()[query], window)
    if way == "relevance":
        return by_relevance
    fused, head = way["fused"], order[:window]
    weight, k = fused["weight"], fused["k"]
    if fused["linear"]:
        documents = corpus.documents()
        database = scaled([database_scores()[doc] for doc in head])
        relevance = scaled([float32(score(queries()[query], documents[doc])) for doc in head])
    else:
        rank = {doc: at for at, doc in enumerate(by_relevance)}
        database = [(k + 1) / (k + 1 + at) for at in range(len(head))]
        relevance = [(k + 1) / (k + 1 + rank[doc]) for doc in head]
    both = [(own + weight * other) / (1 + weight) for own, other in zip(database, relevance, strict=True)]
    places = sorted(range(len(head)), key=lambda at: (-both[at], at))
    return [head[at] for at in places] + order[window:]


def scaled(values: list[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) for value in values]


def float32(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


@functools.cache
def database_scores() -> dict[str, float]:
    body = {"query": {"match": {"body": corpus.FIRST_STAGE}}, "size": 100, "_source": False}
    hits = http("POST", f"{DIRECT}/{INDEX}/_search", body).json()["hits"]["hits"]
    return {hit["_id"]: float(hit["_score"]) for hit in hits}


def check_window_curve(curve: list, own: list, way: str | dict) -> None:
    """Each point: the suggested order of so many candidates, measured by ir-measures."""
    order = database_order(100)
    hopeful = [q for q in own if any(grades()[q].values())]
    for point in curve:
        rankings = {q: ordered(order, q, point["window"], way) for q in hopeful}
        values = by_query(10, grades(), as_run(rankings))
        mean = sum(values[q, "nDCG@10"] for q in hopeful) / len(hopeful)
        assert abs(point["ndcg"] - mean) < EXACT, point


def check_floor_curve(curve: list, own: list) -> None:
    """Each point, counted again from the stand-in's scores."""
    documents = corpus.documents()
    hits = [
        [(score(queries()[q], documents[doc]), grades()[q][doc] > 0) for doc in database_order(100)]
        for q in own
    ]
    relevant = sum(good for found in hits for _, good in found)
    for point in curve:
        # The proxy's scores are 32-bit floats: those just at a floor are not compared.
        if any(abs(value - point["floor"]) < 1e-6 for found in hits for value, _ in found):
            continue
        kept = [[good for value, good in found if value >= point["floor"]] for found in hits]
        good, count = sum(map(sum, kept)), sum(map(len, kept))
        assert point["recall"] == pytest.approx(good / relevant, abs=EXACT)
        assert point["precision"] == (None if count == 0 else pytest.approx(good / count, abs=EXACT))
        assert point["answer_rate"] == pytest.approx(sum(map(bool, kept)) / len(own), abs=EXACT)


def skipped(group: dict) -> int:
    """Documents of this corpus that the first stage does not find."""
    return group["queries"] * (70 - len(database_order(100)))


def test_a_service_that_is_down_and_back_is_paid_once(files):
    provider(COHERE_FAILING, "401")
    ran = run(files, "eval", COHERE_FAILING)
    assert ran.code == 3 and ran.json()["stopped"] == "auth", ran.err
    provider(COHERE_FAILING, "ok")
    ran = run(files, "eval", COHERE_FAILING, "--resume", "--max-search-units", "5", "--concurrency", "1")
    assert ran.code == 3 and "5 search units are spent" in ran.json()["stopped"], ran.err
    assert provider_state(COHERE_FAILING)["calls"] == 5
    ran = run(files, "eval", COHERE_FAILING, "--resume")
    assert ran.code == 0 and ran.json()["done"] == len(queries()), ran.err
    assert provider_state(COHERE_FAILING)["calls"] == len(queries())
    assert not os.path.exists(files / "queries.jsonl.eval-checkpoint")
