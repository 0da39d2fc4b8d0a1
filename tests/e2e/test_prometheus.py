"""deploy/prometheus and deploy/grafana against a real Prometheus that scrapes running rerankds under traffic."""

import json
import re
import time
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

import observed
from prometheus_api import URL, api, evaluated_after, instant, points, promtool, scraped_after

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy/prometheus"
RULES = yaml.safe_load((PROMETHEUS / "rules.yaml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
RULE_TESTS = Path(__file__).parent / "prometheus/rules.test.yaml"
DASHBOARD = json.loads((ROOT / "deploy/grafana/rerankd.json").read_text())

ON_PURPOSE = {
    "off", "no_query", "ambiguous_query", "stale_query", "no_text", "not_ranked", "past_window", "unsupported",
    "malformed", "too_large", "upstream_error", "shadow", "not_sampled", "skipped", "margin",
}  # fmt: skip
"""Reasons to keep the order that are no failure of reranking."""

OFTEN_EMPTY = {"Alerts A", "Bad configurations A"}
"""Queries that count what nobody hopes for; it takes longer than this test, or a restart, to happen."""

FREE = {"dialect", "operation", "provider", "unit", "use", "listen"}
"""Labels whose values in the rules' unit tests are examples."""

SELECTOR = re.compile(r"\b(rerankd_\w+|process_\w+|up|ALERTS)\b(?!:)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')

pytestmark = pytest.mark.skipif(not URL, reason="E2E_PROMETHEUS is set by `run`")


@pytest.fixture(scope="module")
def since():
    """When the traffic began. By now it has ended, and everything has been scraped and evaluated since."""
    began = time.time()
    scraped_after(began)
    traffic = observed.Traffic()
    for _ in range(2):
        # A series that its first event makes has a rate from its second scrape on.
        traffic.round()
        scraped_after(time.time())
    evaluated_after(time.time())
    return began


@pytest.fixture(scope="module")
def live(since):
    """Every series with its labels, of all processes."""
    return [labels for process in observed.PROCESSES for labels, _ in observed.series(process)]


def panels() -> list[dict]:
    rows = DASHBOARD["panels"]
    return [panel for row in rows for panel in [row, *row.get("panels", [])] if panel["type"] != "row"]


def queries() -> list[tuple[str, str, bool]]:
    """Of each panel: its title and the query's letter, the expression, whether it is asked for now only."""
    return [
        (f"{panel['title']} {target['refId']}", target["expr"], target["instant"])
        for panel in panels()
        for target in panel["targets"]
    ]


def filled_in(expression: str, since: float) -> str:
    """As Grafana would send it, with two instances chosen of each kind of variable's list."""
    targets = sorted(labels["instance"] for labels in (found["metric"] for found in instant("up")))
    chosen = "(" + "|".join(re.escape(target).replace("\\", "\\\\") for target in targets) + ")"
    values = {
        "$__rate_interval": "10s",
        "$__range": f"{int(time.time() - since) + 1}s",
        "$job": "(rerankd)",
        "$instance": chosen,
    }
    for variable, value in values.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, expression
    return expression


def test_the_rules_are_valid_and_each_alert_fires_where_it_should():
    promtool("check", "rules", str(PROMETHEUS / "rules.yaml"))
    promtool("check", "config", str(PROMETHEUS / "prometheus.yaml"))
    promtool("test", "rules", str(RULE_TESTS))
    tested = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    checks = [check for test in tested for check in test["alert_rule_test"]]
    assert {check["alertname"] for check in checks if check.get("exp_alerts")} == set(ALERTS)
    assert {check["alertname"] for check in checks if not check.get("exp_alerts")} == set(ALERTS)


def test_the_operators_manifest_has_the_same_rules():
    manifest = yaml.safe_load((PROMETHEUS / "prometheusrule.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert manifest["spec"] == RULES, "run deploy/prometheus/render"


def test_every_alert_says_how_bad_it_is_and_has_its_place_in_the_runbook():
    headings = re.findall(r"^## (Rerankd\w+(?:, Rerankd\w+)*)$", (ROOT / "docs/runbook.md").read_text(), re.M)
    assert sorted(ALERTS) == sorted(name for heading in headings for name in heading.split(", "))
    for name, rule in ALERTS.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, name
        [heading] = [heading for heading in headings if name in heading.split(", ")]
        anchor = heading.lower().replace(",", "").replace(" ", "-")
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{anchor}", name


@pytest.mark.parametrize("process", observed.PROCESSES)
def test_what_is_scraped_is_clean(since, process):
    promtool("check", "metrics", stdin=observed.scrape(process))


def test_every_rule_is_evaluated_and_what_is_recorded_has_values(since, live):
    rules = [rule for group in evaluated_after(since) for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == {*ALERTS, *RECORDED}
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] != "ok"] == []
    empty = [name for name, rule in RECORDED.items() if not points(rule["expr"], None) or not points(name, since)]
    assert empty == []
    for rule in ALERTS.values():
        instant(rule["expr"])


def test_the_alerts_of_what_has_happened_are_on_their_way(since):
    """A database that is away is seen by Prometheus itself, not only in the rules' unit tests."""
    on_their_way = {alert["labels"]["alertname"]: alert["labels"]["instance"] for alert in api("alerts")["alerts"]}
    assert on_their_way.get("RerankdUpstreamUnreachable") == observed.ADMINS["unreachable"].removeprefix("http://")


def test_rules_dashboard_and_unit_tests_ask_only_for_what_there_is(live):
    """A name, a label or a value that does not exist gives no error, only nothing, for ever."""
    labels = {}
    for series in live:
        for name, value in series.items():
            labels.setdefault(series["__name__"], {}).setdefault(name, set()).add(value)
    tests = yaml.safe_load(RULE_TESTS.read_text())["tests"]
    expressions = [rule["expr"] for rule in [*ALERTS.values(), *RECORDED.values()]]
    expressions += [expression for _, expression, _ in queries()]
    expressions += [series["series"] for test in tests for series in test["input_series"]]
    wrong = set()
    for expression in expressions:
        for name, matchers in SELECTOR.findall(expression):
            if name in {"up", "ALERTS"}:
                continue
            for label, _, pattern in MATCHER.findall(matchers):
                known = labels.get(name, {}).get(label)
                if label not in {"job", "instance"} and not known:
                    wrong.add(f"{name}{{{label}}}")
                elif known and label not in FREE:
                    wrong |= {f'{name}{{{label}="{word}"}}' for word in pattern.split("|") if word not in known}
            if name not in labels:
                wrong.add(name)
    assert wrong == set()


def test_every_reason_counts_as_a_failure_or_as_on_purpose(live):
    reasons = {series["reason"] for series in live if series["__name__"] == "rerankd_searches_total"} - {"none"}
    written = json.dumps([RULES, DASHBOARD]).replace('\\"', '"')
    [failures] = set(re.findall(r'(?:outcome="kept", reason(?:=~|!~)"|reason=~"none\|)([^"]*)"', written))
    assert reasons - set(failures.split("|")) == ON_PURPOSE


def test_every_query_of_the_dashboard_returns_data(since, live):
    empty, asked = [], 0
    for title, expression, now in queries():
        asked += 1
        # What stands in for nothing is not what is looked for here.
        expression = re.sub(r" or vector\(-?\d\)", "", expression) if title not in OFTEN_EMPTY else expression
        if not points(filled_in(expression, since), None if now else since):
            empty.append(title)
    assert empty == []
    assert asked > 70


def test_the_dashboards_variables_and_annotations_have_values(since):
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance"]
    assert variables["job"]["definition"] == "label_values(rerankd_build_info, job)"
    assert api("label/job/values", **{"match[]": "rerankd_build_info"}) == ["rerankd"]
    assert variables["instance"]["definition"] == 'label_values(rerankd_build_info{job=~"$job"}, instance)'
    instances = api("label/instance/values", **{"match[]": 'rerankd_build_info{job=~"(rerankd)"}'})
    assert len(instances) == len(observed.PROCESSES)
    [annotation] = [one for one in DASHBOARD["annotations"]["list"] if "expr" in one]
    assert 'job=~"$job", instance=~"$instance"' in annotation["expr"]
    assert len(points(filled_in(annotation["expr"], since), None)) == len(observed.PROCESSES)


def test_every_panel_can_be_read():
    rows = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert rows[:4] == ["Is it healthy?", "What does it do to results?", "What does it cost?", "Is it fast?"]
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for panel in panels():
        title = panel["title"]
        assert title and panel["description"].endswith("."), title
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults.get("unit") or panel["options"].get("yAxis", {}).get("unit"), title
        assert [panel["datasource"]] + [target["datasource"] for target in panel["targets"]] == [chosen] * (
            1 + len(panel["targets"])
        ), title
        for target in panel["targets"]:
            for name, matchers in SELECTOR.findall(target["expr"]):
                assert 'job=~"$job", instance=~"$instance"' in matchers, f"{title}: {name}"


def test_no_panel_lies_on_another():
    for group in [DASHBOARD["panels"], *(row["panels"] for row in DASHBOARD["panels"] if row.get("panels"))]:
        taken = {}
        for panel in group:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, panel["title"]
            for x in range(at["x"], at["x"] + at["w"]):
                for y in range(at["y"], at["y"] + at["h"]):
                    assert taken.setdefault((x, y), panel["title"]) == panel["title"], f"{panel['title']} at {x}, {y}"
    ids = [panel["id"] for panel in [*DASHBOARD["panels"], *panels()] if panel["type"] == "row"]
    ids += [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_the_dashboard_has_nothing_that_grafanas_own_types_do_not_know():
    """Read into the types of Grafana's published schema and written again, a misspelt key is gone."""
    plugins.register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(DASHBOARD)))
    # The types leave out what a data source adds of its own: Prometheus' annotations and variables.
    own = r"/(annotations/list/\d+/(step|textFormat|titleFormat|useValueForTime)|templating/list/\d+/definition)"
    assert [path for path in lost(DASHBOARD, again) if not re.fullmatch(own, path)] == []
    assert DASHBOARD["schemaVersion"] >= 39, "Grafana 11 and later"


def lost(before: object, after: object, path: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in before if before[name] is not None]
        missing = [f"{path}/{name}" for name in names if name not in after]
        both = [name for name in names if name in after]
        return missing + [each for name in both for each in lost(before[name], after[name], f"{path}/{name}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after))
        return [each for at, (one, other) in pairs for each in lost(one, other, f"{path}/{at}")]
    return [] if before == after else [path]
