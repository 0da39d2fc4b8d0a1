"""Random searches in Elasticsearch's language, of what its clients and people write. The same seed gives the same ones."""

import random
from dataclasses import dataclass, field
from urllib.parse import quote

import corpus

WORDS = [corpus.FIRST_STAGE, *corpus.ASPECTS, "quiet", "morning", "stones", "second", "nowhere"]


@dataclass
class Search:
    body: dict | None
    text: str | None = None
    """What `x-rerank-query` says."""
    parameters: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    method: str = "POST"

    def target(self, index: str) -> str:
        query = "&".join(f"{name}={quote(str(value))}" for name, value in self.parameters.items())
        return f"/{index}/_search" + (f"?{query}" if query else "")


class Searches:
    def __init__(self, seed: str, backend: str):
        self.dice = random.Random(seed)
        self.backend = backend

    def one(self) -> Search:
        dice = self.dice
        body: dict = {}
        kind = dice.choices(["query", "knn", "nothing"], [10, 2 if self.backend == "elasticsearch" else 0, 1])[0]
        if kind == "query":
            body["query"] = self.query(3)
        elif kind == "knn":
            body["knn"] = self.top_level_knn()
        self.page(body)
        for name, value in self.options(kind):
            body[name] = value
        search = Search(body)
        self.parameters(search, kind)
        if dice.random() < 0.8:
            search.text = dice.choice(corpus.QUERIES)
        if dice.random() < 0.05:
            search.body.setdefault("ext", {})["rerank"] = {"query": dice.choice(corpus.QUERIES), "window": 20}
        if dice.random() < 0.03:
            search.headers["accept"] = dice.choice(["application/yaml", "application/cbor", "*/*", "application/json; q=0.5"])
        search.method = dice.choice(["POST", "POST", "GET"])
        return search

    def batch(self) -> list[Search]:
        """Searches of one `_msearch`, which has no parameters and headers for each."""
        found = []
        while len(found) < self.dice.randint(1, 5):
            search = self.one()
            if not search.parameters and not search.headers:
                found.append(search)
        return found

    def words(self, most: int = 3) -> str:
        return " ".join(self.dice.sample(WORDS, self.dice.randint(1, most)))

    def vector(self) -> list[float]:
        return [1.0, self.dice.random(), 0.25, -0.125]

    def query(self, depth: int) -> dict:
        leaves = [self.match, self.match, self.match, self.multi_match, self.query_string, self.filter, self.match_all, self.knn]
        nodes = [self.bool, self.bool, self.dis_max, self.constant_score, self.function_score, self.boosting, self.script_score]
        return self.dice.choice(leaves + (nodes if depth > 0 else []))(depth)

    def match(self, _depth: int) -> dict:
        kind = self.dice.choice(["match", "match", "match", "match_phrase", "match_bool_prefix"])
        name = self.dice.choice(["body", "body", "title"])
        text = self.words(1 if kind == "match_phrase" else 3)
        return {kind: {name: self.dice.choice([text, {"query": text}, {"query": text, "boost": 2}])}}

    def multi_match(self, _depth: int) -> dict:
        fields = self.dice.choice([["title", "body"], ["title^2", "body"], ["*"], ["bo*"]])
        return {"multi_match": {"query": self.words(), "fields": fields, "lenient": True}}

    def query_string(self, _depth: int) -> dict:
        texts = ["harbour -ferry", "body:harbour AND NOT violin", 'body:"quiet morning"', "harbour^2 or~", "year:[1990 TO 1993]"]
        kind = self.dice.choice(["query_string", "simple_query_string"])
        text = self.dice.choice(texts) if kind == "query_string" else self.dice.choice(["harbour -ferry", "harbour | violin"])
        return {kind: {"query": text, "fields": ["body", "title"]}}

    def filter(self, _depth: int = 0) -> dict:
        return self.dice.choice(
            [
                {"term": {"topic": self.dice.choice(corpus.TOPICS)}},
                {"terms": {"topic": self.dice.sample(corpus.TOPICS, 2)}},
                {"range": {"year": {"gte": self.dice.randint(1989, 1998)}}},
                {"range": {"price": {"lt": self.dice.randint(0, 20)}}},
                {"ids": {"values": [str(self.dice.randint(1, 90)) for _ in range(12)]}},
                {"exists": {"field": self.dice.choice(["title", "missing"])}},
                {"prefix": {"topic": "c"}},
                {"match": {"year": "1992"}},
            ]
        )

    def match_all(self, _depth: int) -> dict:
        return {self.dice.choice(["match_all", "match_all", "match_none"]): {}}

    def knn(self, depth: int) -> dict:
        k = self.dice.choice([3, 10, 25])
        if self.backend == "elasticsearch":
            return {"knn": {"field": "embedding", "query_vector": self.vector(), "num_candidates": 100, "k": k}}
        if self.backend == "opensearch":
            return {"knn": {"embedding": {"vector": self.vector(), "k": k}}}
        return self.match(depth)

    def top_level_knn(self) -> dict:
        knn = {"field": "embedding", "query_vector": self.vector(), "k": self.dice.choice([3, 10, "10", 25]), "num_candidates": 100}
        if self.dice.random() < 0.3:
            knn["filter"] = self.filter()
        return knn

    def bool(self, depth: int) -> dict:
        clauses = {}
        for name in self.dice.sample(["must", "should", "filter", "must_not"], self.dice.randint(1, 3)):
            make = self.filter if name in ("filter", "must_not") else self.query
            found = [make(depth - 1) for _ in range(self.dice.randint(1, 2))]
            clauses[name] = found[0] if self.dice.random() < 0.3 else found
        return {"bool": clauses}

    def dis_max(self, depth: int) -> dict:
        return {"dis_max": {"queries": [self.query(depth - 1), self.query(depth - 1)], "tie_breaker": 0.3}}

    def constant_score(self, depth: int) -> dict:
        return {"constant_score": {"filter": self.dice.choice([self.filter(), self.match(depth)]), "boost": 1.5}}

    def function_score(self, depth: int) -> dict:
        function = self.dice.choice(
            [
                {"random_score": {"seed": 7, "field": "big"}},
                {"field_value_factor": {"field": "price", "missing": 1}},
                {"functions": [{"filter": self.filter(), "weight": 3}], "score_mode": "sum"},
                {"gauss": {"year": {"origin": 1993, "scale": 2}}},
            ]
        )
        mode = self.dice.choice(["multiply", "sum", "replace"])
        return {"function_score": {"query": self.query(depth - 1), **function, "boost_mode": mode}}

    def script_score(self, depth: int) -> dict:
        if self.backend == "elasticsearch":  # lang-painless is not published
            return self.boosting(depth)
        source = self.dice.choice(["_score + doc['year'].value", "doc['price'].value", "_score * 2"])
        return {"script_score": {"query": self.query(depth - 1), "script": {"source": source}}}

    def boosting(self, depth: int) -> dict:
        return {"boosting": {"positive": self.query(depth - 1), "negative": self.filter(), "negative_boost": 0.5}}

    def page(self, body: dict) -> None:
        dice = self.dice
        if dice.random() < 0.7:
            body["size"] = dice.choice([0, 1, 2, 5, 5, 7, 10, 10, 12, 20, 30, 60, 100, "4", 6.0])
        if dice.random() < 0.3:
            body["from"] = dice.choice([0, 1, 3, 10, 25, 45, 49, 50, 60, 100, "5"])

    def options(self, kind: str):
        dice = self.dice
        may = [
            (0.05, "sort", [["_score"], [{"year": "desc"}, {"price": "asc"}], "price", [{"_score": "desc"}, {"price": "asc"}], ["_doc"]]),
            (0.2, "_source", [True, False, ["title"], "body", {"includes": ["t*"]}, {"excludes": ["body"]}, {"excludes": ["price"]}]),
            (0.05, "post_filter", [self.filter()]),
            (0.1, "aggs", [{"topics": {"terms": {"field": "topic"}}, "newest": {"max": {"field": "year"}}}]),
            (0.05, "collapse", [{"field": "topic"}, {"field": "topic", "inner_hits": {"name": "more", "size": 2}}]),
            (0.1, "highlight", [{"fields": {"body": {}}}]),
            (0.05, "min_score", [0.5, "0.5", 1]),
            (0.05, "fields", [["year"], ["title", "price"], ["*"]]),
            (0.05, "docvalue_fields", [["price"]]),
            (0.03, "stored_fields", [["_none_"], "title", ["title"]]),
            (0.05, "track_total_hits", [True, False, 5]),
            (0.05, "version", [True]),
            (0.03, "seq_no_primary_term", [True]),
            (0.03, "explain", [True]),
            (0.03, "terminate_after", [20]),
            (0.03, "rescore", [{"window_size": 15, "query": {"rescore_query": self.match(0)}}]),
            (0.03, "timeout", ["5s"]),
            (0.02, "track_scores", [True]),
            (0.02, "suggest", [{"words": {"text": "harbor", "term": {"field": "body"}}}]),
            (0.02, "indices_boost", [[{"*": 1.5}]]),
            (0.02, "no_such_member", [1]),
            (0.02, "size", [-1, "abc", 4.5, 20000]),
        ]
        if self.backend != "elasticsearch":
            may.append((0.04, "script_fields", [{"double": {"script": {"source": "doc['price'].value * 2"}}}]))
        chosen = [(name, dice.choice(values)) for share, name, values in may if dice.random() < share]
        return [(name, value) for name, value in chosen if not (kind == "knn" and name in ("rescore", "terminate_after"))]

    def parameters(self, search: Search, kind: str) -> None:
        dice = self.dice
        may = [
            (0.08, "filter_path", ["hits.hits", "hits.hits._id,hits.total", "hits.hits._source", "-hits.total,-_shards", "took,hits.hits._*"]),
            (0.05, "size", [3, 8]),
            (0.03, "from", [2]),
            (0.03, "_source", ["title", "false"]),
            (0.03, "_source_excludes", ["price"]),
            (0.03, "rest_total_hits_as_int", ["true"]),
            (0.03, "typed_keys", ["true"]),
            (0.02, "pretty", ["true"]),
            (0.02, "format", ["yaml", "json"]),
            (0.02, "search_type", ["dfs_query_then_fetch"]),
            (0.02, "sort", ["price:asc", "_score"]),
            (0.02, "unknown_parameter", ["x"]),
        ]
        for share, name, values in may:
            if dice.random() < share:
                search.parameters[name] = dice.choice(values)
        if kind == "nothing" and dice.random() < 0.7:
            search.parameters["q"] = dice.choice(["harbour", "body:harbour -ferry", "title:café"])
