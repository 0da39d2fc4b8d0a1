"""Running `rerankd eval` and `rerankd calibrate`, and measuring what they ranked by libraries that nobody here wrote."""

import json
import os
import subprocess

import ir_measures
from ir_measures import RR, P, R, nDCG
from scipy.stats import kendalltau

RERANKD = os.environ.get("E2E_RERANKD", "")
EXACT = 1e-9


class Ran:
    def __init__(self, *args: str, env: dict | None = None):
        ended = subprocess.run([RERANKD, *args], capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})
        self.code, self.out, self.err = ended.returncode, ended.stdout, ended.stderr

    def json(self) -> dict:
        def reject(word: str):
            raise AssertionError(f"{word} is not JSON")

        return json.loads(self.out, parse_constant=reject)


def measures(k: int) -> dict:
    """MRR from the whole run: its cut-off has another implementation in ir-measures, which breaks ties the other way."""
    return {f"nDCG@{k}": nDCG @ k, f"MRR@{k}": RR, f"recall@{k}": R @ k, f"precision@{k}": P @ k}


def judged(qrels: dict) -> list:
    return [ir_measures.Qrel(query, str(doc), grade) for query, grades in qrels.items() for doc, grade in grades.items()]


def as_run(rankings: dict) -> list:
    """Scores that fall with the place."""
    return [
        ir_measures.ScoredDoc(query, doc, float(len(ids) - place))
        for query, ids in rankings.items()
        for place, doc in enumerate(ids)
    ]


def by_query(k: int, qrels: dict, run: list) -> dict:
    """What ir-measures says: by query and name of the measure; 0 for a query that the run does not have."""
    names = {str(measure): name for name, measure in measures(k).items()}
    values = {(query, name): 0.0 for query in qrels for name in measures(k)}
    for metric in ir_measures.iter_calc(list(measures(k).values()), judged(qrels), run):
        past_k = metric.measure == RR and metric.value < 1 / k - EXACT
        values[metric.query_id, names[str(metric.measure)]] = 0.0 if past_k else metric.value
    return values


def check_report(report: dict, qrels: dict) -> int:
    """Every figure of a report that ir-measures or SciPy can work out from its rankings. Returns how many."""
    evaluation = report["evaluation"]
    k, checked = evaluation["k"], 0
    queries = {query["query"]: query for query in evaluation["queries"]}
    values = {side: by_query(k, qrels, as_run({q: query[side] for q, query in queries.items()})) for side in ("before", "after")}
    for query, found in queries.items():
        hopeful = any(grade > 0 for grade in qrels.get(query, {}).values())
        assert bool(found["measures"]) == hopeful, query
        for measure in found["measures"]:
            for side in ("before", "after"):
                assert abs(measure[side] - values[side][query, measure["measure"]]) < EXACT, (query, measure)
                checked += 1
        checked += check_change(found, k)
    for group in evaluation["groups"]:
        own = [q for q, found in queries.items() if found["measures"] and group["category"] in (None, found["category"])]
        assert group["judged"] == len(own)
        for measure in group["measures"]:
            before, after = (sum(values[side][q, measure["measure"]] for q in own) / len(own) for side in ("before", "after"))
            assert abs(measure["before"] - before) < EXACT and abs(measure["after"] - after) < EXACT, measure
            assert abs(measure["difference"] - (after - before)) < EXACT, measure
            if len(own) > 1:
                assert measure["interval"]["low"] - EXACT <= measure["difference"] <= measure["interval"]["high"] + EXACT
            checked += 3
    return checked


def check_change(query: dict, k: int) -> int:
    before, after = query["before"], query["after"]
    both = [doc for doc in after if doc in before]
    if len(both) < 2:
        assert query["kendall_tau"] is None
    else:
        tau = kendalltau(range(len(both)), [before.index(doc) for doc in both]).statistic
        assert abs(query["kendall_tau"] - tau) < EXACT, query
    longest = max(len(before[:k]), len(after[:k]))
    overlap = len(set(before[:k]) & set(after[:k])) / longest if longest else None
    assert query["overlap"] == overlap if overlap is None else abs(query["overlap"] - overlap) < EXACT
    assert query["top_changed"] == (before[:1] != after[:1])
    return 2
