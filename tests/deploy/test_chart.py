"""deploy/helm/rerankd, rendered with several values."""

import re
import shutil
import subprocess

import pytest
import yaml
from support import (
    ADMIN_PORT,
    CHART,
    DRAINS,
    EMBEDDINGS_PORT,
    GRPC_PORT,
    HERE,
    PROXY_PORT,
    assert_good_rerankd,
    assert_serves_on_while_the_service_forgets_it,
    checked,
    environment,
    helm_template,
    lay_mounts,
    one,
    output_of,
    pods,
    rerankd_of,
    validate,
)

VALUES = sorted((HERE / "values").glob("*.yaml"), key=lambda path: path.name)


def rendered(values: str, *more: str) -> list[dict]:
    return helm_template("search", CHART, "--namespace", "shop", "--values", HERE / f"values/{values}.yaml", *more)


def kinds(manifests: list[dict]) -> list[str]:
    return sorted(each["kind"] for each in manifests)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_chart_is_sound_and_an_api_server_would_take_every_object(values):
    output_of("helm", "lint", "--strict", CHART, "--values", values)
    for manifest in rendered(values.stem):
        validate(manifest)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_rerankd_is_hardened_probed_and_loads_its_configuration(values, tmp_path):
    manifests = rendered(values.stem)
    [text] = lay_mounts(manifests, tmp_path).values()
    [(_, pod)] = pods(manifests)
    container, sidecar = rerankd_of(pod)
    assert not sidecar
    effective = checked(text, environment(container), tmp_path)
    assert_good_rerankd(pod, effective)
    assert_serves_on_while_the_service_forgets_it(effective)


def test_one_setting_is_enough():
    manifests = rendered("least")
    assert kinds(manifests) == ["ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service"]
    deployment, service = one(manifests, "Deployment"), one(manifests, "Service")
    container, _ = rerankd_of(deployment["spec"]["template"])
    assert deployment["metadata"]["name"] == "search-rerankd" and "replicas" not in deployment["spec"]
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False
    assert container["image"] == f"registry.example.com/rerankd:{chart()['appVersion']}"
    assert environment(container) == {
        "RERANKD_LISTEN": "0.0.0.0:6343",
        "RERANKD_ADMIN__LISTEN": "0.0.0.0:9464",
        "RERANKD_UPSTREAM__URL": "http://qdrant:6333",
    }
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert [(port["name"], port["targetPort"], port["appProtocol"]) for port in service["spec"]["ports"]] == [
        ("http", PROXY_PORT, "http"),
        ("grpc", GRPC_PORT, "kubernetes.io/h2c"),
    ]
    assert deployment["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(ADMIN_PORT)


def test_everything_that_can_be_given_arrives(tmp_path):
    manifests = rendered("most")
    assert kinds(manifests) == [
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "Service",
        "Service",
        "ServiceMonitor",
    ]
    deployment = one(manifests, "Deployment", "search-rerank")
    pod = deployment["spec"]["template"]
    container, _ = rerankd_of(pod)
    assert deployment["spec"]["replicas"] == 3
    assert container["image"] == "registry.example.com/tools/rerankd@sha256:" + 64 * "0"
    assert environment(container)["HTTPS_PROXY"] == "http://proxy:3128"
    assert "--log-format=text" in container["args"]
    assert {"name": "ca", "mountPath": "/etc/rerankd/ca", "readOnly": True} in container["volumeMounts"]
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["spec"]["topologySpreadConstraints"][0]["topologyKey"] == "topology.kubernetes.io/zone"
    assert pod["metadata"]["annotations"] == {"example.com/owner": "search"}
    assert pod["metadata"]["labels"]["team"] == "search"
    secrets = next(each for each in pod["spec"]["volumes"] if each["name"] == "rerankd-secrets")
    assert secrets["secret"]["secretName"] == "search-keys"
    service = one(manifests, "Service", "search-rerank")
    assert service["spec"]["ports"][0]["port"] == 9200 and service["spec"]["type"] == "LoadBalancer"
    effective = checked(lay_mounts(manifests, tmp_path)["search-rerank"], environment(container), tmp_path)
    assert effective["rerank"]["window"] == 30 and effective["listeners"][0]["dialect"] == "elasticsearch"


def test_monitors_find_what_they_are_for():
    manifests = rendered("most")
    labels = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    pod_monitor, service_monitor = one(manifests, "PodMonitor"), one(manifests, "ServiceMonitor")
    assert pod_monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    found = [
        each["metadata"]["name"]
        for each in manifests
        if each["kind"] == "Service"
        and service_monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    assert found == ["search-rerank-admin"]
    assert (
        pod_monitor["metadata"]["labels"]["release"] == service_monitor["metadata"]["labels"]["release"] == "prometheus"
    )


def test_embedding_services_are_served_where_that_is_wanted_and_nowhere_by_default():
    def served(*values):
        manifests = rendered("most", "--set", "networkPolicy.enabled=true", *values)
        container, _ = rerankd_of(one(manifests, "Deployment")["spec"]["template"])
        service = {port["name"]: port for port in one(manifests, "Service", "search-rerank")["spec"]["ports"]}
        allowed = one(manifests, "NetworkPolicy")["spec"]["ingress"][0]["ports"]
        return (
            environment(container).get("RERANKD_EMBEDDINGS__LISTEN"),
            [port["containerPort"] for port in container["ports"] if port["name"] == "rerankd-embed"],
            service.get("embeddings"),
            {"port": EMBEDDINGS_PORT} in allowed,
        )

    assert served() == (None, [], None, False)
    port = {"name": "embeddings", "port": 7000, "targetPort": EMBEDDINGS_PORT, "appProtocol": "http"}
    on = served("--set", "embeddings=true", "--set", "service.embeddingsPort=7000")
    assert on == ("0.0.0.0:6363", [EMBEDDINGS_PORT], port, True)


def test_the_port_for_grpc_is_there_where_calls_have_where_to_go():
    def ports(*values):
        manifests = rendered("least", *values)
        pod = one(manifests, "Deployment")["spec"]["template"]
        names = [port["name"] for port in one(manifests, "Service")["spec"]["ports"]]
        return names, environment(rerankd_of(pod)[0]).get("RERANKD_UPSTREAM__GRPC_URL")

    assert ports() == (["http", "grpc"], None)
    assert ports("--set", "upstream=http://elasticsearch:9200") == (["http"], None)
    own = ports("--set", "upstream=http://gateway", "--set", "grpcUpstream=http://gateway:6334")
    assert own == (["http", "grpc"], "http://gateway:6334")


def test_a_policy_without_peers_lets_nobody_in_rather_than_everybody():
    [clients] = one(rendered("most"), "NetworkPolicy")["spec"]["ingress"]
    assert clients["from"] and clients["ports"] == [{"port": PROXY_PORT}]
    closed = rendered("most", "--set-json", "networkPolicy.clients=[]")
    assert not one(closed, "NetworkPolicy")["spec"]["ingress"]


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("upstream=ftp://qdrant", "/upstream"),
        ("upstream=http://qdrant:6333/collections", "/upstream"),
        ("upstream=http://user:word@qdrant:6333", "/upstream"),
        ("upstreem=http://qdrant:6333", "upstreem"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=sha256:12", "/image/digest"),
        ("replicas=many", "/replicas"),
        ("service.port=0", "/service/port"),
        ("metrics.podmonitor.enabled=true", "podmonitor"),
        ("autoscaling.targetCPUUtilization=700", "/autoscaling/targetCPUUtilization"),
        ("config.admin.listen=127.0.0.1:9000", "/config/admin/listen"),
        ("config.rerank.windwo=30", "windwo"),
        ("config.rerrank.window=30", "rerrank"),
        ("config.rerank.mode=shade", "/config/rerank/mode"),
        ("config.admin.listen=127.0.0.1:9464", "/config/admin/listen"),
        ("logFormat=xml", "/logFormat"),
        ("upstream=", "upstream: the URL of the database has to be set"),
    ],
)
def test_a_wrong_value_is_rejected_and_named(setting, complaint):
    done = subprocess.run(
        ["helm", "template", "search", CHART, "--values", HERE / "values/least.yaml", "--set", setting],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and complaint in done.stderr, done.stderr


def test_the_schema_knows_every_value_and_no_other():
    schema, values = (
        yaml.safe_load((CHART / "values.schema.json").read_text()),
        yaml.safe_load((CHART / "values.yaml").read_text()),
    )

    def compare(schema, values, path):
        if schema.get("additionalProperties") is not False:
            return
        known = schema["properties"].keys() - ({"global"} if not path else {"claims"})
        assert known == values.keys(), path
        for name in known:
            if isinstance(values[name], dict):
                compare(schema["properties"][name], values[name], f"{path}.{name}")

    compare(schema, values, "")


def test_the_readme_lists_every_value():
    values, readme = yaml.safe_load((CHART / "values.yaml").read_text()), (CHART / "README.md").read_text()
    listed = {name.split(".")[0] for name in re.findall(r"^\| `([\w.]+)`", readme, re.M)}
    assert listed == values.keys()


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The chart of an application, with rerankd's as a dependency."""
    copy = tmp_path_factory.mktemp("charts") / "app"
    shutil.copytree(HERE / "charts/app", copy)
    about = yaml.safe_load((copy / "Chart.yaml").read_text())
    repository = about["dependencies"][0]["repository"]
    assert (HERE / "charts/app" / repository.removeprefix("file://")).resolve() == CHART
    about["dependencies"][0]["repository"] = f"file://{CHART}"
    (copy / "Chart.yaml").write_text(yaml.safe_dump(about))
    output_of("helm", "dependency", "build", copy)
    return copy


def test_another_chart_takes_the_sidecar_by_name(app, tmp_path):
    manifests = helm_template("shop", app)
    assert kinds(manifests) == ["ConfigMap", "Deployment", "PodMonitor"]
    for manifest in manifests:
        validate(manifest)
    pod = one(manifests, "Deployment")["spec"]["template"]
    container, sidecar = rerankd_of(pod)
    assert sidecar
    [(name, text)] = lay_mounts(manifests, tmp_path).items()
    effective = checked(text, environment(container), tmp_path)
    assert_good_rerankd(pod, effective)
    assert effective["rerank"]["window"] == 30 and effective["listeners"][0]["listen"] == "127.0.0.1:6343"
    assert effective["shutdown"]["delay"] == "0s"
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes["rerankd-config"]["configMap"]["name"] == name
    assert one(manifests, "PodMonitor")["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize(("listen", "drains"), [("0.0.0.0", DRAINS), ("[::]", DRAINS), ("", None), ("[::1]", None)])
def test_a_sidecar_behind_a_service_listens_on_the_pods_address_and_drains_as_the_pod_ends(app, listen, drains):
    manifests = helm_template("shop", app, "--set", f"rerankd.listen={listen}")
    for manifest in manifests:
        validate(manifest)
    container, _ = rerankd_of(one(manifests, "Deployment")["spec"]["template"])
    assert environment(container)["RERANKD_LISTEN"] == f"{listen or '127.0.0.1'}:6343"
    assert container.get("lifecycle") == drains


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_notes_name_what_was_installed(values, tmp_path):
    copy = tmp_path / "rerankd"
    shutil.copytree(CHART, copy)
    # helm shows notes only with a cluster; as text of an object it renders them without one.
    notes = (copy / "templates/NOTES.txt").read_text()
    (copy / "templates/NOTES.txt").unlink()
    (copy / "templates/_notes.tpl").write_text('{{- define "notes" }}' + notes + "{{- end }}")
    (copy / "templates/notes.yaml").write_text(
        'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: notes }\ndata: { text: {{ include "notes" . | toJson }} }\n'
    )
    manifests = helm_template("search", copy, "--namespace", "shop", "--values", values)
    text = one(manifests, "ConfigMap", "notes")["data"]["text"]
    service = next(
        each for each in manifests if each["kind"] == "Service" and not each["metadata"]["name"].endswith("-admin")
    )
    assert f"http://{service['metadata']['name']}.shop.svc:{service['spec']['ports'][0]['port']}" in text
    assert f"deployment/{one(manifests, 'Deployment')['metadata']['name']} {ADMIN_PORT}" in text
    assert yaml.safe_load(values.read_text()).get("secretName", "rerankd") in text


def chart() -> dict:
    return yaml.safe_load((CHART / "Chart.yaml").read_text())
