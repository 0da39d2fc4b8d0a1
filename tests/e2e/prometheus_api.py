"""A real Prometheus, asked over its HTTP API, and promtool."""

import json
import math
import os
import re
import subprocess
import time
from datetime import datetime
from urllib.parse import urlencode

from support import http

URL = os.environ.get("E2E_PROMETHEUS", "")
PROMTOOL = os.environ.get("E2E_PROMTOOL", "promtool")
PATIENCE = 30
"""Seconds until a scrape that does not come is a failure."""


def api(path: str, **parameters: object) -> object:
    response = http("GET", f"{URL}/api/v1/{path}?{urlencode(parameters, doseq=True)}")
    body = json.loads(response.body)
    assert body["status"] == "success", f"{parameters}: {body.get('error')}"
    return body["data"]


def instant(expression: str) -> list[dict]:
    return api("query", query=expression)["result"]


def points(expression: str, since: float | None) -> list[float]:
    """Every value, over the time `since` or (None) now. NaN is none: 0/0 is no response."""
    if since is None:
        found = [series["value"] for series in instant(expression)]
    else:
        span = {"start": since, "end": time.time(), "step": 1}
        found = [pair for series in api("query_range", query=expression, **span)["result"] for pair in series["values"]]
    return [value for value in (float(text) for _, text in found) if not math.isnan(value)]


def scraped_after(moment: float) -> None:
    """Waits until every target has been scraped, whole, after `moment`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        targets = api("targets", state="active")["activeTargets"]
        # A scrape that had begun before is not later.
        late = [one["scrapeUrl"] for one in targets if one["health"] != "up" or seconds(one["lastScrape"]) <= moment]
        if targets and not late:
            return
        assert time.monotonic() < deadline, f"not scraped in {PATIENCE} s: {late or 'no targets'}"
        time.sleep(0.1)


def evaluated_after(moment: float) -> list[dict]:
    """The rule groups, evaluated after `moment`."""
    deadline = time.monotonic() + PATIENCE
    while True:
        groups = api("rules")["groups"]
        if groups and all(seconds(group["lastEvaluation"]) > moment for group in groups):
            return groups
        assert time.monotonic() < deadline, f"rules not evaluated in {PATIENCE} s"
        time.sleep(0.1)


def seconds(stamp: str) -> float:
    """Of an RFC 3339 time with more digits than Python reads; 0 for Go's year 1."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", stamp)
    assert found, stamp
    if found[1].startswith("0001-"):
        return 0.0
    whole = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp()
    return whole + float(found[2] or 0)


def promtool(*arguments: str, stdin: bytes | None = None) -> None:
    done = subprocess.run([PROMTOOL, *arguments], input=stdin, capture_output=True, timeout=60)
    said = (done.stdout + done.stderr).decode()
    # `check metrics` also complains where it ends with 0.
    assert done.returncode == 0 and (stdin is None or not said.strip()), said
