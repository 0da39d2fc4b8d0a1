"""The load of benches/tenants, shortly: one tenant over its limits fails nobody's search, and nobody waits for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "benches" / "tenants" / "run"
RERANKD = os.environ.get("E2E_RERANKD", "")

pytestmark = pytest.mark.skipif(not RERANKD, reason="E2E_RERANKD is set by `run`")


def test_a_tenant_far_over_its_limits_changes_nothing_for_another():
    load = ["--rounds", "2", "--seconds", "3", "--rate", "10", "--flood", "50", "--allowed", "60", "--json"]
    command = [sys.executable, str(BENCH), "--rerankd", RERANKD, *load]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout)
    print(found)
    assert set(found["modest"]) == {"applied"}
    assert set(found["greedy"]) <= {"applied", "kept; reason=rate_limited", "kept; reason=overloaded"}
    assert 0 < found["greedy"]["applied"] <= 60 < sum(found["greedy"].values()) / 3
