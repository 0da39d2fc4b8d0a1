"""Starts a rerankd as the kubelet would: the manifest's arguments and variables, its mounts, its user, a root file
system that cannot be written to. Only addresses differ: free ports, and peers that stand in.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from support import MOUNTED, RERANKD, environment

# As root, as CI is, the root can be made read-only and the user be the image's; anybody else has no rights to lose.
CONFINED = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -o remount,bind,ro / && exec setpriv --reuid 65532 --regid 65532 --clear-groups --bounding-set=-all "
    '--inh-caps=-all --no-new-privs "$@"',
    "confined",
]

# The same within the file system of an unpacked image: only what a container engine brings is mounted into it.
CONTAINED = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'root=$1 volumes=$2; shift 2; mount --bind "$root" "$root" && mount --rbind /proc "$root/proc" && '
    'mount --rbind /dev "$root/dev" && for volume in config secrets; do '
    'mount --bind -o ro "$volumes/$volume" "$root/etc/rerankd/$volume" || exit; done && '
    'mount -o remount,bind,ro "$root" && exec setpriv --bounding-set=-all,+sys_chroot,+setuid,+setgid --no-new-privs '
    'chroot --userspec=65532:65532 --groups= "$root" "$@"',
    "contained",
]


def free_port() -> int:
    """One from below those that the system gives to connections, which might take it again before it is used."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.randrange(10_000, 32_000))) as held:
                return held.getsockname()[1]
        except OSError:
            continue


def get(url: str, timeout: float = 5) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as response:
        return response.code, response.read().decode()


def mount(folder: Path, files: dict[str, str]) -> None:
    """Lays a volume, or another state of it, as the kubelet does: links through `..data` into a folder of the moment,
    all of it read-only, and `..data` changes in one step.
    """
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    moment = Path(tempfile.mkdtemp(prefix="..2026_01_01_", dir=folder))
    for name, text in files.items():
        (moment / name).write_text(text)
        (moment / name).chmod(0o444)
    moment.chmod(0o555)
    (folder / "..data_tmp").symlink_to(moment.name)
    (folder / "..data_tmp").replace(folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    folder.chmod(0o555)


class Pod:
    """One rerankd; a context manager that ends it. With `image`, an unpacked image's file system and configuration, its
    command runs in there; needs root.
    """

    def __init__(
        self,
        container: dict,
        upstream: str,
        provider: str,
        config: dict[str, str],
        secrets: dict[str, str],
        image: tuple[Path, dict] | None = None,
    ):
        self.image = image
        self.folder = Path(tempfile.mkdtemp(prefix="rerankd-pod."))
        self.folder.chmod(0o755)
        self.put("config", config)
        self.put("secrets", secrets)
        self.container = container
        self.proxy, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        variables = {
            **environment(container),
            "RERANKD_LISTEN": self.proxy,
            "RERANKD_ADMIN__LISTEN": self.admin,
            "RERANKD_UPSTREAM__URL": upstream,
            "CO_API_URL": provider,
            "PATH": os.environ["PATH"],
        }
        if image:
            root, about = image
            variables = {**dict(each.split("=", 1) for each in about["Env"]), **variables}
            for volume in ("config", "secrets"):
                (root / MOUNTED.strip("/") / volume).mkdir(parents=True, exist_ok=True)
            command = [*CONTAINED, str(root), str(self.folder), *about["Entrypoint"], *container["args"]]
        else:
            shutil.copy(RERANKD, self.folder / "rerankd")
            arguments = [self.moved(each) for each in container["args"]]
            confined = CONFINED if os.geteuid() == 0 else []
            command = [*confined, str(self.folder / "rerankd"), *arguments]
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen(
            command,
            env=variables,
            cwd="/",
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self) -> "Pod":
        probe = self.container["startupProbe"]
        until = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        while self.probe("startupProbe") != 200:
            assert self.process.poll() is None, f"it ended\n{self.logged()}"
            assert time.monotonic() < until, f"the startup probe never succeeded\n{self.logged()}"
            time.sleep(0.02)
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, volume: str, files: dict[str, str]) -> None:
        """What the ConfigMap or the Secret holds from now on."""
        mount(self.folder / volume, {name: self.moved(text) for name, text in files.items()})

    def moved(self, text: str) -> str:
        """Where the mounts are: in an image they have their own places."""
        return text if self.image else text.replace(MOUNTED, f"{self.folder}/")

    def probe(self, name: str) -> int | None:
        try:
            return get(f"http://{self.admin}{self.container[name]['httpGet']['path']}")[0]
        except OSError:
            return None

    def logged(self) -> str:
        return (self.folder / "log").read_text()

    def pre_stop(self) -> subprocess.CompletedProcess:
        """Runs the hook as the kubelet does: in the container, as its user."""
        [program, *arguments] = self.container["lifecycle"]["preStop"]["exec"]["command"]
        assert program == "rerankd"
        mounts = ["nsenter", "--mount", "--target", str(self.process.pid)] if os.geteuid() == 0 else []
        user = ["setpriv", "--reuid", "65532", "--regid", "65532", "--clear-groups"] if os.geteuid() == 0 else []
        command = [*mounts, *user, str(self.folder / program), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=30)

    def tell_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
