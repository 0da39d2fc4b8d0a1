"""What the tests of deploy/ share: reading manifests, and what has to hold of every rerankd in one."""

import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEPLOY = ROOT / "deploy"
EXAMPLES = sorted(path.parent.name for path in (DEPLOY / "kustomize/examples").glob("*/kustomization.yaml"))
CHART = DEPLOY / "helm/rerankd"
RERANKD = os.environ["RERANKD_BIN"]

# The oldest Kubernetes that the guide promises, and the newest that the schemas know.
KUBERNETES = ["1.29", "1.37"]
MONITORS = {
    kind: json.loads((HERE / "schemas" / f"{kind.lower()}.json").read_text())
    for kind in ("PodMonitor", "PrometheusRule", "ServiceMonitor")
}

PROXY_PORT = 6343
GRPC_PORT = 6344
EMBEDDINGS_PORT = 6363
ADMIN_PORT = 9464
MOUNTED = "/etc/rerankd/"
DRAINS = {"preStop": {"exec": {"command": ["rerankd", "drain"]}}}


def output_of(*command: str | Path, **options) -> str:
    """What a command prints; its errors become the test's."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def objects(text: str) -> list[dict]:
    return [each for each in yaml.safe_load_all(text) if each]


def kustomized(folder: Path) -> list[dict]:
    return objects(output_of("kubectl", "kustomize", folder))


def helm_template(*arguments: str | Path) -> list[dict]:
    return objects(output_of("helm", "template", *arguments))


def one(manifests: list[dict], kind: str, name: str | None = None) -> dict:
    found = [each for each in manifests if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} of {kind} {name or ''}"
    return found[0]


def validate(manifest: dict) -> None:
    """Rejects what an API server would, unknown fields included."""
    if manifest["kind"] in MONITORS:
        jsonschema.Draft202012Validator(MONITORS[manifest["kind"]]).validate(manifest)
        return
    for version in KUBERNETES:
        kubernetes_validate.validate(manifest, version, strict=True)


def pods(manifests: list[dict]) -> list[tuple[dict, dict]]:
    """Each workload and its pod template."""
    return [(each, each["spec"]["template"]) for each in manifests if "template" in each.get("spec", {})]


def rerankd_of(pod: dict) -> tuple[dict, bool] | None:
    """The container that is rerankd, and whether it is a sidecar."""
    for group, sidecar in (("initContainers", True), ("containers", False)):
        for container in pod["spec"].get(group, []):
            if container["name"] == "rerankd":
                return container, sidecar
    return None


def environment(container: dict) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", [])}


def milliseconds(duration: str) -> int:
    """A duration as rerankd writes it: `1m 5s`, `300ms`."""
    units = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", duration))


def lay_mounts(manifests: list[dict], folder: Path) -> dict[str, str]:
    """Lays what the pod's mounts would hold below `folder`; every secret that the configuration names is there.

    Returns rerankd.yaml by the name of its ConfigMap, with paths that lead there.
    """
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    files = {}
    for each in manifests:
        text = each.get("data", {}).get("rerankd.yaml") if each["kind"] == "ConfigMap" else None
        if text is None:
            continue
        for name in re.findall(rf"{MOUNTED}secrets/([\w.-]+)", text):
            (secrets / name).write_text("test\n")
        files[each["metadata"]["name"]] = text.replace(MOUNTED, f"{folder}/")
    return files


def checked(text: str, variables: dict[str, str], folder: Path) -> dict:
    """What `rerankd check` says is in effect; its problems become the test's."""
    file = folder / "rerankd.yaml"
    file.write_text(text)
    shown = output_of(RERANKD, "check", "--all", "--config", file, env={"PATH": os.environ["PATH"], **variables})
    assert "will not be used" not in shown, shown
    return yaml.safe_load(shown)


def assert_good_rerankd(pod: dict, effective: dict) -> None:
    """What has to hold of every rerankd, however it came into the pod."""
    container, sidecar = rerankd_of(pod)
    assert ("--on-bad-config=passthrough" in container["args"]) and container["args"][0] == "serve"
    assert f"--config={MOUNTED}config/rerankd.yaml" in container["args"]
    assert not re.search(r":latest$|^[^:@]+$", container["image"]), container["image"]
    # With these in the pod, even a broken file leaves a plain proxy.
    assert {"RERANKD_LISTEN", "RERANKD_UPSTREAM__URL"} <= environment(container).keys()
    # Probes and scrapes come to the pod's own address, also while the file is broken.
    assert environment(container)["RERANKD_ADMIN__LISTEN"] in (f"0.0.0.0:{ADMIN_PORT}", f"[::]:{ADMIN_PORT}")

    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    # Before what may be a Qdrant.
    assert ports.pop("rerankd-grpc", GRPC_PORT) == GRPC_PORT
    # Where embedding services are served to more than the pod.
    assert ports.pop("rerankd-embed", EMBEDDINGS_PORT) == EMBEDDINGS_PORT
    assert ports == {"rerankd": PROXY_PORT, "rerankd-admin": ADMIN_PORT}
    assert effective["listeners"][0]["listen"].endswith(f":{PROXY_PORT}")
    assert effective["admin"]["listen"] == f"0.0.0.0:{ADMIN_PORT}"
    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "rerankd-admin"}, probe

    assert container.get("restartPolicy") == ("Always" if sidecar else None)
    assert (
        container["resources"]["requests"].keys() == {"cpu", "memory"} and "memory" in container["resources"]["limits"]
    )
    assert_restricted(pod, container)
    assert_mounts(pod, container)
    # Who comes from outside the pod is told when the pod ends, and not only when a sidecar's turn comes, after the database's.
    outside = sidecar and not effective["listeners"][0]["listen"].startswith("127.0.0.1:")
    assert container.get("lifecycle") == (DRAINS if outside else None)
    drain = sum(milliseconds(effective["shutdown"][name]) for name in ("delay", "grace"))
    assert drain < pod["spec"].get("terminationGracePeriodSeconds", 30) * 1000


def assert_serves_on_while_the_service_forgets_it(effective: dict) -> None:
    assert milliseconds(effective["shutdown"]["delay"]) >= 5000


def assert_restricted(pod: dict, container: dict) -> None:
    """The Pod Security Standard `restricted`, a read-only root, and the image's user."""
    context = {**pod["spec"].get("securityContext", {}), **container["securityContext"]}
    assert context["runAsNonRoot"] is True and context["runAsUser"] == 65532
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]} and "privileged" not in context
    assert not any(pod["spec"].get(name) for name in ("hostNetwork", "hostPID", "hostIPC"))


def assert_mounts(pod: dict, container: dict) -> None:
    """Configuration and secrets: whole folders, read only, readable for rerankd, and not in the way if missing."""
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    config, secrets = volumes["rerankd-config"]["configMap"], volumes["rerankd-secrets"]["secret"]
    for name, path in (("rerankd-config", "config"), ("rerankd-secrets", "secrets")):
        assert mounts[name] == {"name": name, "mountPath": MOUNTED + path, "readOnly": True}
    assert config["optional"] is True and secrets["optional"] is True
    group = pod["spec"].get("securityContext", {}).get("fsGroup") == 65532
    assert secrets["defaultMode"] in ((0o440,) if group else (0o444,))
    for other in pod["spec"]["containers"]:
        if other is not container:
            assert "rerankd-secrets" not in [each["name"] for each in other.get("volumeMounts", [])]
