"""The load of benches/fleet, shortly: a fleet saves what its model says, and no part that dies fails a search."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "benches" / "fleet"
RERANKD = os.environ.get("E2E_RERANKD", "")
sys.path.append(str(BENCH))

from model import Times, simulate  # noqa: E402
from workload import Workload  # noqa: E402

FOREVER = Times(ttl=1e9, call=0.0, write=0.0)


def test_a_fleet_that_shares_pays_once_for_a_query_and_one_that_does_not_once_in_each_sidecar():
    workload = Workload(rate=100, seconds=60, queries=500, skew=1, sidecars=8)
    arrivals = list(workload.arrivals())
    assert simulate(arrivals, 8, FOREVER, True).calls == len({query for _, query, _ in arrivals})
    assert simulate(arrivals, 8, FOREVER, False).calls == len({(query, sidecar) for _, query, sidecar in arrivals})


def test_a_call_in_flight_is_shared_within_a_sidecar_and_not_between_two():
    slow = Times(ttl=1e9, call=10.0, write=0.0)
    arrivals = [(0.0, 7, 0), (1.0, 7, 0), (2.0, 7, 1), (11.0, 7, 2)]
    counts = simulate(arrivals, 3, slow, True)
    assert (counts.calls, counts.joined, counts.shared) == (2, 1, 1)


def test_scores_that_have_expired_are_paid_for_again():
    short = Times(ttl=5.0, call=0.0, write=0.0)
    assert simulate([(0.0, 1, 0), (4.0, 1, 0), (6.0, 1, 0)], 1, short, False).calls == 2


def test_the_popular_queries_come_most():
    workload = Workload(rate=1000, seconds=20, queries=100, skew=1, sidecars=1)
    asked = [query for _, query, _ in workload.arrivals()]
    assert 1.7 < asked.count(0) / asked.count(1) < 2.3
    assert 8 < asked.count(0) / asked.count(9) < 12


@pytest.mark.skipif(not RERANKD, reason="E2E_RERANKD is set by `run`")
def test_a_fleet_under_load_does_as_its_model_says_and_loses_no_search_when_a_part_dies():
    command = [sys.executable, BENCH / "run", "--quick", "--check", "--json", "--rate", "100", "--rerankd", RERANKD]
    ran = subprocess.run(
        [*command, "--only", "shared", "--only", "faults"], capture_output=True, text=True, timeout=480
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    figures = {figure["what"]: figure["met"] for figure in json.loads(ran.stdout)["figures"]}
    assert figures["one Redis: search units"] and figures["one Redis: calls as the model says"]
    assert figures["Redis hangs: searches that failed"] and figures["the provider hangs: searches that failed"]
