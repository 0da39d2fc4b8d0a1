"""The component, laid over workloads that it has never seen."""

import pytest
from support import DEPLOY, assert_good_rerankd, checked, environment, kustomized, one, rerankd_of, validate

APPS = """
apiVersion: apps/v1
kind: Deployment
metadata: { name: app }
spec:
  selector: { matchLabels: { app: app } }
  template:
    metadata: { labels: { app: app } }
    spec:
      terminationGracePeriodSeconds: 90
      securityContext: { runAsUser: 1000, fsGroup: 2000 }
      serviceAccountName: app
      initContainers: [ { name: migrate, image: "migrate:1" }, { name: warm, image: "warm:1" } ]
      containers: [ { name: app, image: "app:1", ports: [ { name: http, containerPort: 8080 } ] } ]
      volumes: [ { name: data, emptyDir: {} } ]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db }
spec:
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec:
      containers: [ { name: db, image: "db:1" } ]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: other, labels: { rerankd/sidecar: "off" } }
spec:
  selector: { matchLabels: { app: other } }
  template:
    metadata: { labels: { app: other } }
    spec:
      containers: [ { name: other, image: "other:1" } ]
"""

KUSTOMIZATION = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namePrefix: blue-
namespace: shop
resources: [apps.yaml]
components: [component]
configMapGenerator:
  - name: rerankd
    files: [rerankd.yaml]
images:
  - { name: rerankd, newName: registry.example.com/rerankd, newTag: "9.9.9" }
"""

CONFIG = "rerank: { window: 30 }\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kustomize")
    (folder / "apps.yaml").write_text(APPS)
    (folder / "kustomization.yaml").write_text(KUSTOMIZATION)
    (folder / "rerankd.yaml").write_text(CONFIG)
    (folder / "component").mkdir()
    for file in (DEPLOY / "kustomize/component").iterdir():
        (folder / "component" / file.name).write_text(file.read_text())
    return kustomized(folder)


def test_every_deployment_and_stateful_set_gets_the_sidecar(made, tmp_path):
    for kind, name in (("Deployment", "blue-app"), ("StatefulSet", "blue-db")):
        workload = one(made, kind, name)
        pod = workload["spec"]["template"]
        container, sidecar = rerankd_of(pod)
        assert sidecar and container["image"] == "registry.example.com/rerankd:9.9.9"
        effective = checked(CONFIG, {**environment(container), "CO_API_KEY": "test"}, tmp_path)
        assert_good_rerankd(pod, effective)
        validate(workload)


def test_a_workload_that_is_labelled_off_stays_as_it_was(made):
    other = one(made, "Deployment", "blue-other")
    assert other["spec"]["template"]["spec"] == {"containers": [{"name": "other", "image": "other:1"}]}
    assert other["spec"]["template"]["metadata"]["labels"] == {"app": "other"}


def test_the_sidecar_is_up_before_the_apps_own_init_containers(made):
    pod = one(made, "Deployment", "blue-app")["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["rerankd", "migrate", "warm"]


def test_what_is_the_pods_own_stays(made):
    pod = one(made, "Deployment", "blue-app")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 90
    assert pod["securityContext"] == {"runAsUser": 1000, "fsGroup": 2000}
    assert pod["serviceAccountName"] == "app" and "automountServiceAccountToken" not in pod
    assert pod["containers"] == [{"name": "app", "image": "app:1", "ports": [{"name": "http", "containerPort": 8080}]}]
    assert {"name": "data", "emptyDir": {}} in pod["volumes"]


def test_the_config_map_is_followed_through_prefix_and_hash(made):
    config = one(made, "ConfigMap")["metadata"]["name"]
    assert config.startswith("blue-rerankd-")
    volumes = one(made, "Deployment", "blue-app")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "rerankd-config", "configMap": {"name": config, "optional": True}} in volumes
