"""Random searches, to the database itself and through rerankd: the same statuses, the database's own hits, whole pages; and
where the provider fails, the same responses. `E2E_SEED` chooses others than those that CI makes."""

import json
import os
import re
import uuid
from collections import Counter
from urllib.parse import quote

import pytest

import corpus
from clients import BACKEND, client
from random_searches import Search, Searches
from support import COHERE, COHERE_FAILING, DIRECT, FAILING, PROXY, PROXY_ADMIN, WINDOW, Response, http, needs_database, provider
from test_search import MAPPINGS, raw_hits

pytestmark = needs_database
SEED = os.environ.get("E2E_SEED", "1")
COUNT = int(os.environ.get("E2E_SEARCHES", "300"))
TIMES = re.compile(r'("?took"? ?: ?)\d+|("phase_took" ?: ?)\{[^}]*\}')
STATUS = "x-rerank-status"


def mappings() -> tuple[dict, dict]:
    """Settings and mappings, with the vector field that each engine has."""
    properties = dict(MAPPINGS["properties"])
    if BACKEND == "elasticsearch":
        properties["embedding"] = {"type": "dense_vector", "dims": 4, "index": True, "similarity": "l2_norm"}
    elif BACKEND == "opensearch":
        method = {"name": "hnsw", "engine": "lucene", "space_type": "l2"}
        properties["embedding"] = {"type": "knn_vector", "dimension": 4, "method": method}
    settings = {"number_of_replicas": 0} | ({"index.knn": True} if BACKEND == "opensearch" else {})
    return settings, {"properties": properties}


@pytest.fixture(scope="module")
def indices():
    """The corpus in an index of one shard and in one of three."""
    names, raw = [], client(DIRECT).raw
    settings, properties = mappings()
    for shards in (1, 3):
        name = f"random-{shards}-{uuid.uuid4().hex[:8]}"
        raw.indices.create(index=name, body={"settings": {**settings, "number_of_shards": shards}, "mappings": properties})
        lines = []
        for number, (key, document) in enumerate(corpus.documents().items(), 1):
            vector = {"embedding": corpus.vector(number)} if "embedding" in properties["properties"] else {}
            lines += [{"index": {"_index": name, "_id": key}}, document | vector]
        assert not raw.bulk(body=lines, refresh=True)["errors"]
        raw.indices.forcemerge(index=name, max_num_segments=1)
        names.append(name)
    yield names
    for name in names:
        raw.indices.delete(index=name)


@pytest.fixture(autouse=True)
def provider_behaves():
    provider(COHERE, "ok")
    provider(COHERE_FAILING, "500")


def ask(base: str, index: str, search: Search) -> Response:
    headers = dict(search.headers)
    if base != DIRECT and search.text:
        headers["x-rerank-query"] = quote(search.text)
    body = search.body
    if base == DIRECT and body and "ext" in body:  # rerankd takes its own member out
        body = {name: value for name, value in body.items() if name != "ext"}
    return http(search.method, base + search.target(index), body, headers)


def plain(response: Response) -> str:
    """The body without its times, members sorted: Elasticsearch orders those of a filtered `_source` by what else is asked
    for. Of a body that is no text, its length."""
    kind = response.headers.get("content-type", "")
    if "cbor" in kind:
        return f"{len(response.body) // 8} times 8 bytes"
    text = TIMES.sub(lambda found: (found[1] or found[2]) + "0", response.body.decode())
    return settled(json.loads(text, parse_float=str, parse_int=str)) if "json" in kind else text


def settled(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def hits_of(response: Response) -> list[str]:
    text = response.body.decode()
    raw = raw_hits(text) if '"hits":[' in text else []
    return [settled(json.loads(hit, parse_float=str, parse_int=str)) for hit in raw]


def around(response: Response) -> dict:
    """All but the hits."""
    found = json.loads(plain(response))
    if isinstance(found.get("hits"), dict):
        found["hits"] = {name: value for name, value in found["hits"].items() if name != "hits"}
    return found


def wider(search: Search) -> Search:
    """The same search with every hit on its page."""
    body = {**search.body, "from": 0, "size": 100}
    if "knn" in body:
        body["knn"] = {**body["knn"], "k": 100}
    alone = body.get("query", {}).get("knn")
    if alone and "embedding" in alone:
        body["query"] = {"knn": {"embedding": {**alone["embedding"], "k": 100}}}
    elif alone:
        body["query"] = {"knn": {**alone, "k": 100}}
    parameters = {name: value for name, value in search.parameters.items() if name not in ("from", "size", "pretty")}
    return Search(body, None, parameters, search.headers, search.method)


def places(response: Response) -> list:
    """Which hits there are, with their scores: what a person looks at first where two responses differ."""
    if not response.headers.get("content-type", "").startswith(("application/json", "application/vnd")):
        return []
    return [(hit.get("_index", "")[:8], hit.get("_id"), hit.get("_score")) for hit in response.json().get("hits", {}).get("hits", [])]


def same(mine: Response, own: Response) -> None:
    if plain(mine) != plain(own):
        assert (mine.headers.get(STATUS), places(mine)) == (mine.headers.get(STATUS), places(own))
        assert plain(mine) == plain(own), mine.headers.get(STATUS)


def check_one(index: str, search: Search) -> str:
    own, through = ask(DIRECT, index, search), ask(PROXY, index, search)
    assert through.status == own.status, through.body
    status = through.headers.get(STATUS, "")
    assert status or own.status != 200, "a response to a search says nothing"
    failing = ask(FAILING, index, search)
    assert failing.status == own.status
    assert not failing.headers.get(STATUS, "").startswith("applied")
    same(failing, own)
    if not status.startswith(("applied", "partial")):
        same(through, own)
        return status
    assert around(through) == around(own)
    mine, theirs = hits_of(through), hits_of(own)
    assert len(mine) == len(theirs)
    if "," not in index and "*" not in index and "filter_path" not in search.parameters:
        assert len(set(mine)) == len(mine)
    missing = set(mine) - set(theirs)
    if missing and "pretty" not in search.parameters:
        missing -= set(hits_of(ask(DIRECT, index, wider(search))))
        assert not missing, "a hit that the database has not"
    return status


def test_random_searches(indices):
    searches, seen, problems = Searches(f"{SEED} {BACKEND}", BACKEND), Counter(), []
    for number in range(COUNT):
        search = searches.one()
        index = searches.dice.choice([*indices, ",".join(indices), "random-*"])
        try:
            seen[check_one(index, search)] += 1
        except AssertionError as problem:
            problems.append(f"search {number} of seed {SEED}: {search} on {index}: {str(problem)[:600]}")
    print(dict(seen))
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems[:10])
    assert seen["applied"] > COUNT / 5, seen


def known_lists() -> float:
    """How many lists of hits rerankd has not read, since it knew them."""
    metrics = http("GET", f"{PROXY_ADMIN}/metrics").body.decode()
    return float(re.search(r'^rerankd_pages_total{hits="known"} (\S+)$', metrics, re.M)[1])


def test_what_is_asked_again_gets_the_same_response(indices):
    """Lists that are known are not read again; only a database that itself answers twice in the same way is held to it."""
    searches, problems, compared, before = Searches(f"{SEED} {BACKEND} again", BACKEND), [], 0, known_lists()
    for number in range(COUNT // 5):
        search, index = searches.one(), searches.dice.choice(indices)
        own = [plain(ask(DIRECT, index, search)) for _ in range(3)]
        first, *again = [ask(PROXY, index, search) for _ in range(4)]
        if len(set(own)) > 1 or not first.headers.get(STATUS, "").startswith("applied"):
            continue
        compared += 1
        try:
            for response in again:
                same(response, first)
        except AssertionError as problem:
            problems.append(f"search {number} of seed {SEED}: {search} on {index}: {str(problem)[:600]}")
    known = known_lists() - before
    print(f"{compared} searches compared, {known} lists known")
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems[:10])
    assert compared > COUNT / 25 and known > compared / 2


def test_random_batches(indices):
    searches, problems = Searches(f"{SEED} {BACKEND} batches", BACKEND), []
    for number in range(COUNT // 10):
        batch = searches.batch()
        index = searches.dice.choice(indices)
        lines = lambda own: "".join(  # noqa: E731
            "{}\n" + json.dumps({k: v for k, v in s.body.items() if k != "ext"} if own else s.body) + "\n" for s in batch
        ).encode()
        headers = {"content-type": "application/x-ndjson"}
        text = {"x-rerank-query": quote(corpus.QUERIES[0])}
        own = http("POST", f"{DIRECT}/{index}/_msearch", lines(True), headers)
        failing = http("POST", f"{FAILING}/{index}/_msearch", lines(False), headers | text)
        through = http("POST", f"{PROXY}/{index}/_msearch", lines(False), headers | text)
        try:
            assert plain(failing) == plain(own), failing.headers.get(STATUS)
            assert through.status == own.status
            if own.status != 200:
                continue
            for mine, theirs in zip(json.loads(plain(through))["responses"], json.loads(plain(own))["responses"], strict=True):
                if mine["status"] == "200":
                    assert len(mine["hits"].pop("hits")) == len(theirs["hits"].pop("hits"))
                assert mine == theirs
        except AssertionError as problem:
            problems.append(f"batch {number} of seed {SEED}: {[s.body for s in batch]} on {index}: {str(problem)[:600]}")
    assert not problems, f"{len(problems)} problems\n" + "\n\n".join(problems[:5])


@pytest.mark.parametrize("step", [3, 7, 20, 60])
def test_random_walks_show_every_hit_once(indices, step):
    searches, problems, walked = Searches(f"{SEED} {BACKEND} walk {step}", BACKEND), [], 0
    while walked < 5:
        query = {"query": searches.query(2)}
        if "knn" in query["query"]:  # its hits are the best of more candidates than its own
            continue
        index = searches.dice.choice(indices)
        whole = [json.loads(hit)["_id"] for hit in hits_of(ask(DIRECT, index, Search({**query, "size": 100})))]
        if len(whole) < 2:
            continue
        walked += 1
        found = []
        for start in range(0, 100, step):
            search = Search({**query, "from": start, "size": step}, corpus.QUERIES[walked % 3])
            found += [json.loads(hit)["_id"] for hit in hits_of(ask(PROXY, index, search))]
        if Counter(found) != Counter(whole) or found[WINDOW:] != whole[WINDOW:]:
            problems.append(f"seed {SEED}: {query} on {index}, pages of {step}: {found} for {whole}")
    assert not problems, "\n\n".join(problems)
