"""The cluster that `node.sh` makes, asked by kubectl."""

import json
import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = Path(os.environ["CLUSTER_FOLDER"])
KUBECTL = ["kubectl", "--kubeconfig", str(FOLDER / "kubeconfig"), "--namespace", "search"]
OLD, NEW = (f"registry.example.com/rerankd:{version}" for version in ("0.1.0", "next"))
"""The image that the manifests name, and the one that is rolled out."""


def start() -> subprocess.Popen:
    """Comes back when the node is ready. The cluster lives until the standard input of what is returned closes."""
    images = sorted((HERE.parents[1] / os.environ["CLUSTER_IMAGES"]).glob("*.tar"))
    command = [str(HERE / "node.sh"), str(FOLDER), os.environ["CLUSTER_KUBERNETES"], *map(str, images)]
    node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert node.stdout.readline().strip() == "ready"
    return node


def kubectl(*words: str, given: str | None = None, patience: float = 120) -> str:
    """What it prints."""
    ran = subprocess.run([*KUBECTL, *words], input=given, capture_output=True, text=True, timeout=patience)
    assert ran.returncode == 0, f"kubectl {' '.join(words)}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def get(*words: str) -> dict:
    return json.loads(kubectl("get", *words, "--output", "json"))


def apply(overlay: str) -> None:
    """Applies an overlay of this folder; the API server's admission says whether it is good."""
    kubectl("apply", "--kustomize", str(HERE / "overlays" / overlay))


def delete(overlay: str) -> None:
    kubectl("delete", "--kustomize", str(HERE / "overlays" / overlay), "--wait=true", patience=180)
    eventually("its pods are gone", lambda: not pods("rerankd/metrics=enabled"))


def pods(selector: str) -> list[dict]:
    return get("pods", "--selector", selector)["items"]


def rolled_out(workload: str, patience: int = 120) -> None:
    kubectl("rollout", "status", workload, f"--timeout={patience}s", patience=patience + 10)


def address(service: str, port: int) -> tuple[str, int]:
    """The one of the cluster that the Service has."""
    return get("service", service)["spec"]["clusterIP"], port


def eventually(what: str, so, patience: float = 90) -> None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with suppress(OSError, AssertionError):
            if so():
                return
        time.sleep(0.5)
    raise AssertionError(f"{what}:\n{kubectl('get', 'pods', '--output', 'wide')}\n{kubectl('get', 'events')}")
