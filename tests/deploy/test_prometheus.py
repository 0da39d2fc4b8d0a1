"""deploy/prometheus: what finds every rerankd."""

import yaml
from support import ADMIN_PORT, DEPLOY, EXAMPLES, objects, output_of, pods, rerankd_of, validate

PROMETHEUS = DEPLOY / "prometheus"


def monitor(name: str) -> dict:
    [each] = objects((PROMETHEUS / f"{name}.yaml").read_text())
    validate(each)
    return each


def test_the_pod_monitor_finds_the_admin_port_of_every_example():
    spec = monitor("podmonitor")["spec"]
    [endpoint] = spec["podMetricsEndpoints"]
    assert endpoint["path"] == "/metrics"
    for name in EXAMPLES:
        [(_, pod)] = pods(objects((DEPLOY / f"plain/{name}.yaml").read_text()))
        container, _ = rerankd_of(pod)
        assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert {"name": endpoint["port"], "containerPort": ADMIN_PORT} in container["ports"]


def test_the_service_monitor_finds_the_admin_service_alone():
    spec = monitor("servicemonitor")["spec"]
    [endpoint] = spec["endpoints"]
    services = [each for each in objects((DEPLOY / "plain/standalone.yaml").read_text()) if each["kind"] == "Service"]
    found = [each for each in services if spec["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()]
    assert [each["metadata"]["name"] for each in found] == ["rerankd-admin"]
    [port] = found[0]["spec"]["ports"]
    assert (port["name"], port["targetPort"], endpoint["path"]) == (endpoint["port"], ADMIN_PORT, "/metrics")


def test_the_scrape_configs_keep_the_admin_port_and_drop_no_init_container():
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((PROMETHEUS / "scrape-configs.yaml").read_text())["scrape_configs"]
    }
    rules = jobs["rerankd"]["relabel_configs"]
    assert rules[0] == {
        "source_labels": ["__meta_kubernetes_pod_container_port_name"],
        "regex": "rerankd-admin",
        "action": "keep",
    }
    assert not any("__meta_kubernetes_pod_container_init" in rule["source_labels"] for rule in rules)
    assert jobs["rerankd-static"]["static_configs"] == [{"targets": [f"127.0.0.1:{ADMIN_PORT}"]}]


def test_the_operator_takes_the_rules():
    rules = monitor("prometheusrule")
    names = [rule.get("alert") or rule["record"] for group in rules["spec"]["groups"] for rule in group["rules"]]
    assert len(names) == len(set(names)) > 20
    output_of(PROMETHEUS / "render", "--check")


def test_a_field_that_the_operator_does_not_know_is_rejected():
    broken = monitor("podmonitor")
    broken["spec"]["podMetricEndpoints"] = []
    try:
        validate(broken)
    except Exception as rejected:
        assert "podMetricEndpoints" in str(rejected)
    else:
        raise AssertionError("it was taken")
