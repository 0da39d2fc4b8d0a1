"""deploy/plain and the kustomizations that it is made of."""

import shutil

import pytest
import yaml
from support import (
    ADMIN_PORT,
    CHART,
    DEPLOY,
    EXAMPLES,
    GRPC_PORT,
    PROXY_PORT,
    assert_good_rerankd,
    assert_serves_on_while_the_service_forgets_it,
    checked,
    environment,
    lay_mounts,
    objects,
    one,
    output_of,
    pods,
    rerankd_of,
    validate,
)

PLAIN = {name: objects((DEPLOY / f"plain/{name}.yaml").read_text()) for name in EXAMPLES}
IMAGE = yaml.safe_load((DEPLOY / "kustomize/image/kustomization.yaml").read_text())
every_example = pytest.mark.parametrize("name", EXAMPLES)


def test_every_example_is_there_as_plain_yaml_and_nothing_else_is():
    assert {path.stem for path in (DEPLOY / "plain").glob("*.yaml")} == set(EXAMPLES)


@every_example
def test_plain_yaml_is_what_kustomize_makes(name, tmp_path):
    output_of(DEPLOY / "plain/render", tmp_path)
    rendered, kept = tmp_path / f"{name}.yaml", DEPLOY / f"plain/{name}.yaml"
    assert rendered.read_text() == kept.read_text(), "run deploy/plain/render and commit what changes"


def test_the_chart_names_the_image_that_the_manifests_name(tmp_path):
    output_of(DEPLOY / "plain/render", tmp_path)
    kept = (CHART / "values.yaml").read_text()
    assert (tmp_path / "values.yaml").read_text() == kept, "run deploy/plain/render and commit what changes"
    [image] = IMAGE["images"]
    assert yaml.safe_load(kept)["image"]["repository"] == image["newName"]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == image["newTag"]


def test_the_image_is_named_in_one_place_and_everything_follows_it(tmp_path):
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    setting = tmp_path / "deploy/kustomize/image/kustomization.yaml"
    setting.write_text(setting.read_text().replace("registry.example.com/rerankd", "ghcr.io/me/rerankd"))
    output_of(tmp_path / "deploy/plain/render")
    for name in EXAMPLES:
        [(_, pod)] = pods(objects((tmp_path / f"deploy/plain/{name}.yaml").read_text()))
        assert rerankd_of(pod)[0]["image"] == f"ghcr.io/me/rerankd:{IMAGE['images'][0]['newTag']}"
    left = [
        str(path.relative_to(tmp_path))
        for path in (tmp_path / "deploy").rglob("*.yaml")
        if "registry.example.com/rerankd" in path.read_text()
    ]
    assert left == []


@every_example
def test_an_api_server_would_take_every_object(name):
    for manifest in PLAIN[name]:
        validate(manifest)


@every_example
def test_every_rerankd_is_hardened_probed_and_loads_its_configuration(name, tmp_path):
    found = 0
    files = lay_mounts(PLAIN[name], tmp_path)
    for _, pod in pods(PLAIN[name]):
        container, sidecar = rerankd_of(pod)
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        text = files[volumes["rerankd-config"]["configMap"]["name"]]
        effective = checked(text, environment(container), tmp_path)
        assert_good_rerankd(pod, effective)
        if not sidecar:
            assert_serves_on_while_the_service_forgets_it(effective)
        found += 1
    assert found == 1


@every_example
def test_labels_and_ports_lead_to_pods(name):
    manifests = PLAIN[name]
    [(workload, pod)] = pods(manifests)
    labels = pod["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert labels["rerankd/metrics"] == "enabled"
    own = {port["name"]: port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports", [])}
    for service in [each for each in manifests if each["kind"] == "Service"]:
        assert service["spec"]["selector"].items() <= labels.items()
        for port in service["spec"]["ports"]:
            # A Service of an older Kubernetes does not find a sidecar's port by name.
            assert port["targetPort"] in own or port["targetPort"] in (PROXY_PORT, GRPC_PORT, ADMIN_PORT), port
    for each in manifests:
        if each["kind"] == "NetworkPolicy":
            assert each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        if each["kind"] == "PodDisruptionBudget":
            assert each["spec"]["selector"]["matchLabels"].items() <= labels.items()
        if each["kind"] == "HorizontalPodAutoscaler":
            target = each["spec"]["scaleTargetRef"]
            assert (target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"])
            assert "replicas" not in workload["spec"], "an apply would undo the autoscaler's number"


def test_beside_a_search_client_only_the_client_reaches_the_proxy():
    [(_, pod)] = pods(PLAIN["search-client"])
    container, sidecar = rerankd_of(pod)
    assert sidecar
    assert environment(container)["RERANKD_LISTEN"] == "127.0.0.1:6343"
    assert environment(container)["RERANKD_UPSTREAM__URL"] == "http://qdrant:6333"
    app = pod["spec"]["containers"][0]
    assert environment(app)["QDRANT_URL"] == "http://localhost:6343"
    assert environment(container)["RERANKD_EMBEDDINGS__LISTEN"] == "127.0.0.1:6363"
    assert environment(app)["OPENAI_BASE_URL"] == "http://localhost:6363/openai/v1"


def test_in_front_of_qdrant_the_service_leads_to_rerankd_and_another_one_past_it():
    manifests = PLAIN["qdrant"]
    [(workload, pod)] = pods(manifests)
    container, sidecar = rerankd_of(pod)
    assert sidecar and workload["kind"] == "StatefulSet"
    assert environment(container)["RERANKD_LISTEN"] == "0.0.0.0:6343"
    assert environment(container)["RERANKD_UPSTREAM__URL"] == "http://127.0.0.1:6333"

    def ports(name):
        return {
            port["name"]: (port["port"], port["targetPort"])
            for port in one(manifests, "Service", name)["spec"]["ports"]
        }

    assert ports("qdrant") == {"http": (6333, 6343), "grpc": (6334, GRPC_PORT)}
    assert ports("qdrant-direct") == {"http": (6333, "http"), "grpc": (6334, "grpc")}
    for name in ("qdrant", "qdrant-direct"):
        protocols = {each["name"]: each["appProtocol"] for each in one(manifests, "Service", name)["spec"]["ports"]}
        assert protocols == {"http": "http", "grpc": "kubernetes.io/h2c"}
    # Qdrant goes on until the pod has left the endpoints, and idle clients rerankd: after two seconds.
    qdrant = pod["spec"]["containers"][0]
    assert 2 < qdrant["lifecycle"]["preStop"]["sleep"]["seconds"] < pod["spec"]["terminationGracePeriodSeconds"]


def test_alone_a_rollout_takes_no_pod_away_before_another_is_ready():
    manifests = PLAIN["standalone"]
    [(workload, pod)] = pods(manifests)
    assert workload["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert one(manifests, "HorizontalPodAutoscaler")["spec"]["minReplicas"] >= 2
    assert one(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(ADMIN_PORT),
        "prometheus.io/path": "/metrics",
    }


def test_alone_the_network_policy_lets_clients_prometheus_names_database_and_provider_through_and_no_more():
    policy = one(PLAIN["standalone"], "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["ingress"]] == [[PROXY_PORT], [ADMIN_PORT]]
    assert [[port["port"] for port in rule["ports"]] for rule in policy["egress"]] == [[53, 53], [9200], [443]]
    assert all(rule.get("from") or rule.get("to") for rule in policy["ingress"] + policy["egress"])


def test_with_redis_all_share_scores_under_one_secret_and_the_policy_lets_them_reach_it(tmp_path):
    manifests = PLAIN["redis"]
    [(_, pod)] = pods(manifests)
    effective = checked(lay_mounts(manifests, tmp_path)["rerankd"], environment(rerankd_of(pod)[0]), tmp_path)
    cache = effective["cache"]
    assert cache["secret_file"].endswith("/secrets/cache-secret")
    assert cache["redis"]["url"] == "redis://redis:6379/0" and cache["redis"]["share_limits"] is True
    assert cache["redis"]["password_file"].endswith("/secrets/redis-password")
    standalone = one(PLAIN["standalone"], "NetworkPolicy")["spec"]
    policy = one(manifests, "NetworkPolicy")["spec"]
    assert policy["ingress"] == standalone["ingress"] and policy["egress"][:-1] == standalone["egress"]
    assert [port["port"] for port in policy["egress"][-1]["ports"]] == [6379]
