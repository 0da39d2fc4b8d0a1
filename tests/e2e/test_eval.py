"""The measures of `rerankd eval` against ir-measures and SciPy: on random runs, and on the demo's own corpus."""

import json
import pathlib
import random

import pytest

from eval_command import EXACT, RERANKD, Ran, by_query, check_report, judged

pytestmark = pytest.mark.skipif(not RERANKD, reason="E2E_RERANKD is set by `run`")
QUESTIONS = pathlib.Path(__file__).parents[2] / "src/demo/questions.jsonl"


def sample(seed: int) -> tuple[dict, dict]:
    """Grades, and the scores of a run: with ties, documents without a judgment, queries without anything relevant, and
    queries that the run does not have."""
    chance = random.Random(seed)
    docs = [f"d{number}" for number in range(60)]
    qrels, run = {}, {}
    for number in range(40):
        query = f"q{number}"
        grades = [0] if number % 9 == 0 else [-1, 0, 0, 1, 2, 3]
        qrels[query] = {doc: chance.choice(grades) for doc in chance.sample(docs, chance.randint(1, 25))}
        if number % 11 != 5:
            found = chance.sample(docs, chance.randint(1, 50))
            # Quarters tie often, and are exact as 32-bit floats.
            run[query] = {doc: chance.randint(0, 80) / 4 for doc in found}
    return qrels, run


def write(folder, qrels: dict, runs: list) -> list[str]:
    lines = [f"{query} 0 {doc} {grade}" for query, grades in qrels.items() for doc, grade in grades.items()]
    (folder / "qrels.txt").write_text("\n".join(lines) + "\n")
    args = ["--judgments", str(folder / "qrels.txt")]
    for number, run in enumerate(runs):
        lines = [f"{query} Q0 {doc} 0 {score} x" for query, docs in run.items() for doc, score in docs.items()]
        (folder / f"run{number}.txt").write_text("\n".join(lines) + "\n")
        args += ["--run", str(folder / f"run{number}.txt")]
    return args


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 5, 10, 100])
def test_random_runs_are_measured_as_by_ir_measures(tmp_path, seed, k):
    import ir_measures

    (qrels, before), (_, after) = sample(seed), sample(seed + 1000)
    ran = Ran("eval", *write(tmp_path, qrels, [before, after]), "--json", "-k", str(k))
    assert ran.code == 0, ran.err
    report = ran.json()
    queries = {query["query"]: query for query in report["evaluation"]["queries"]}
    assert set(queries) == set(qrels)
    compared = 0
    for side, run in (("before", before), ("after", after)):
        scored = [ir_measures.ScoredDoc(query, doc, score) for query, docs in run.items() for doc, score in docs.items()]
        values = by_query(k, qrels, scored)
        for query, found in queries.items():
            for measure in found["measures"]:
                assert abs(measure[side] - values[query, measure["measure"]]) < EXACT, (query, side, measure)
                compared += 1
    assert compared > 200
    assert check_report(report, qrels) > 200


def demo_answers() -> dict:
    lines = QUESTIONS.read_text().splitlines()
    return {f"question-{number:02}": json.loads(line)["grades"] for number, line in enumerate(lines, 1)}


@pytest.mark.parametrize("command", ["eval", "calibrate"])
def test_the_demo_runs_end_to_end_with_the_same_figures(tmp_path, command):
    page = tmp_path / "report.html"
    ran = Ran(command, "--demo", "--json", "--report", str(page))
    assert ran.code == 0, ran.err
    report = ran.json()
    assert report["complete"] and report["done"] == len(demo_answers()) == 12
    assert check_report(report, demo_answers()) > 100
    assert "mechanism, not the quality" in report["setup"]["caveat"]
    assert page.read_text().count("<figure>") == (1 if command == "eval" else 9)


def test_the_configuration_that_the_demo_suggests_loads(tmp_path):
    ran = Ran("calibrate", "--demo", "--json", "--min-queries", "1", "--objective", "recall=0.5")
    fragment = ran.json()["yaml"]
    assert "min_score: 0." in fragment, fragment
    (tmp_path / "rerankd.yaml").write_text(f"listeners: [{{ upstream: {{ url: 'http://127.0.0.1:6333' }} }}]\n{fragment}")
    checked = Ran("check", "--all", "--config", str(tmp_path / "rerankd.yaml"))
    assert checked.code == 0 and 'collection: "demo"' in checked.out, checked.out


def test_judgments_are_read_alike_in_both_forms(tmp_path):
    qrels, run = sample(3)
    args = write(tmp_path, qrels, [run])
    lines = [json.dumps({"query": query, "grades": grades}) for query, grades in qrels.items()]
    (tmp_path / "judgments.jsonl").write_text("\n".join(lines))
    other = ["--judgments", str(tmp_path / "judgments.jsonl"), *args[2:]]
    assert Ran("eval", *args, "--json").json()["evaluation"] == Ran("eval", *other, "--json").json()["evaluation"]
    assert len(judged(qrels)) > 100
