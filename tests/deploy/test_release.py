"""What deploy/release made of the program: the archive, the Debian package, the image, the SBOM, the checksums."""

import configparser
import hashlib
import json
import os
import re
import shlex
import subprocess
import tarfile
import time
import tomllib
from pathlib import Path

import build_stage
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from pod import CONFINED, Pod, free_port, get
from support import DEPLOY, EXAMPLES, RERANKD, ROOT, output_of
from test_image import CARGO, FINAL
from test_smoke import cohere, database, example, search, secrets_named  # noqa: F401

RELEASE = Path(os.environ["RERANKD_RELEASE"])
DEBIAN = DEPLOY / "release/debian"
VERSION = CARGO["version"]
LAYOUT = f"{RELEASE}/rerankd-{VERSION}-oci:{VERSION}"
[ARCHIVE] = RELEASE.glob("*.tar.gz")
[PACKAGE] = RELEASE.glob("*.deb")
SBOM = RELEASE / f"rerankd-{VERSION}.cdx.json"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="lays mounts and changes its user")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    [inside] = folder.iterdir()
    return inside


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    output_of("dpkg-deb", "--extract", PACKAGE, folder)
    for each in (folder, *folder.parents[:2]):
        each.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> tuple[Path, dict]:
    """The file system of the image, and its configuration."""
    bundle = tmp_path_factory.mktemp("image") / "bundle"
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    output_of("umoci", "unpack", *rootless, "--image", LAYOUT, bundle)
    return bundle / "rootfs", json.loads(output_of("skopeo", "inspect", "--config", f"oci:{LAYOUT}"))["config"]


def test_the_checksums_are_those_of_every_file_that_was_made():
    lines = [line.split("  ", 1) for line in (RELEASE / "SHA256SUMS").read_text().splitlines()]
    made = {str(path.relative_to(RELEASE)) for path in RELEASE.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert {name for _, name in lines} == made
    assert all(sha256((RELEASE / name).read_bytes()) == sum for sum, name in lines)


def test_every_form_holds_the_same_program(archive, package, image):
    programs = (archive / "rerankd", package / "usr/bin/rerankd", image[0] / "usr/local/bin/rerankd")
    assert {sha256(path.read_bytes()) for path in programs} == {sha256(Path(RERANKD).read_bytes())}


def test_the_program_is_stripped():
    assert "no symbols" in output_of("objdump", "--syms", RERANKD)


def test_the_archive_has_the_program_its_documents_and_every_file_that_they_lead_to(archive):
    assert archive.name == ARCHIVE.name.removesuffix(".tar.gz")
    assert output_of(archive / "rerankd", "--version").strip() == f"rerankd {VERSION}"
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "THIRD-PARTY.txt", "rerankd.1", "deploy/config/reference.yaml"):
        assert (archive / name).stat().st_size > 1000, name
    for page in [archive / "README.md", *(archive / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            inside = (page.parent / link).resolve()
            assert inside.exists() or not inside.is_relative_to(archive / "docs"), f"{page.name}: {link}"


def test_the_archive_is_roots_and_of_the_commits_time(archive):
    with tarfile.open(ARCHIVE) as packed:
        members = packed.getmembers()
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members} == {(0, 0, "", "")}
    assert len({each.mtime for each in members}) == 1
    assert [each.name for each in members] == sorted((each.name for each in members), key=lambda name: name.split("/"))


def compiled_in() -> dict[tuple[str, str], str]:
    """Name and version of every crate that is compiled into the program, with its licence, by cargo's own word."""
    host = re.search(r"host: (\S+)", output_of("rustc", "-vV"))[1]
    command = ("cargo", "tree", "--locked", "--edges=normal", "--prefix=none", f"--target={host}", "--format={p}|{l}")
    lines = {line.removesuffix(" (*)") for line in output_of(*command, cwd=ROOT).splitlines() if line}
    found = {}
    for line in lines:
        crate, licence = line.split("|")
        name, version = crate.split()[:2]
        found[name, version.removeprefix("v")] = licence
    del found["rerankd", VERSION]
    return found


def test_the_sbom_is_valid_cyclonedx_and_names_every_crate_that_is_compiled_in():
    text = SBOM.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    read = json.loads(text)
    assert (read["metadata"]["component"]["name"], read["metadata"]["component"]["version"]) == ("rerankd", VERSION)
    assert {(each["name"], each["version"]) for each in read["components"]} == compiled_in().keys()
    locked = {
        (each["name"], each["version"]): each.get("checksum")
        for each in tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    }
    for each in read["components"]:
        assert each["hashes"] == [{"alg": "SHA-256", "content": locked[each["name"], each["version"]]}]
    assert str(Path.home()) not in text and str(ROOT) not in text


def test_every_crate_that_is_compiled_in_has_its_licence_in_the_archive_and_the_package(archive, package):
    text = (archive / "THIRD-PARTY.txt").read_text()
    for (name, version), licence in compiled_in().items():
        assert f"\n{name} {version}: {licence}; " in text
    assert "the tables of token ids: MIT; [" in text
    without_text = set(re.findall(r"^(\S+) \S+: .*no text in its package", text, re.MULTILINE))
    opentelemetry = {f"opentelemetry{rest}" for rest in ("", "-http", "-otlp", "-proto", "_sdk")}
    assert without_text <= {"alloc-stdlib", "base64-simd", "highway", "vsimd", "tonic-prost"} | opentelemetry
    packed = package / "usr/share/doc/rerankd/THIRD-PARTY.txt.gz"
    assert output_of("gzip", "--decompress", "--stdout", packed) == text


def test_lintian_finds_nothing_wrong_with_the_package():
    done = subprocess.run(
        ["lintian", "--fail-on", "error,warning", "--allow-root", PACKAGE], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_needs_only_the_c_library_and_keeps_the_administrators_files():
    fields = dict(re.findall(r"^(\S+): (.*)$", output_of("dpkg-deb", "--field", PACKAGE), re.MULTILINE))
    assert (fields["Package"], fields["Version"]) == ("rerankd", VERSION)
    assert {each.split()[0] for each in fields["Depends"].split(", ")} == {"libc6", "libgcc-s1"}
    kept = output_of("dpkg-deb", "--info", PACKAGE, "conffiles").split()
    assert kept == ["/etc/default/rerankd", "/etc/rerankd/config.yaml"]
    listed = output_of("dpkg-deb", "--contents", PACKAGE)
    assert re.search(r"^-rw------- root/root .* \./etc/default/rerankd$", listed, re.MULTILINE)


def unit(package: Path) -> dict[str, str]:
    """The service's section of the unit."""
    read = configparser.RawConfigParser(strict=False)
    read.optionxform = str
    read.read(package / "lib/systemd/system/rerankd.service")
    return dict(read["Service"])


def test_systemd_knows_every_line_of_the_unit(package, tmp_path):
    # Where the program is, so that nothing but the unit can be wrong.
    text = (DEBIAN / "rerankd.service").read_text().replace("/usr/bin/rerankd", str(package / "usr/bin/rerankd"))
    (tmp_path / "rerankd.service").write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "rerankd.service"], capture_output=True, text=True
    )
    assert [line for line in done.stderr.splitlines() if "rerankd.service" in line] == []


def test_the_unit_runs_as_a_user_of_its_own_that_can_write_nothing(package):
    service = unit(package)
    assert service["DynamicUser"] == "yes" and service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == "" and service["NoNewPrivileges"] == "yes"


def test_the_package_starts_with_the_command_of_its_unit_and_stops_in_time(package, database):  # noqa: F811
    service = unit(package)
    command = [
        each.replace("/usr/", f"{package}/usr/").replace("/etc/", f"{package}/etc/")
        for each in shlex.split(service["ExecStart"])
    ]
    proxy, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    variables = {"RERANKD_LISTEN": proxy, "RERANKD_ADMIN__LISTEN": admin, "RERANKD_UPSTREAM__URL": database}
    confined = CONFINED if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [*confined, *command], env={"PATH": os.environ["PATH"], **variables}, cwd="/", stderr=subprocess.PIPE, text=True
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                assert get(f"http://{admin}/readyz")[0] == 200
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, process.communicate()[1]
                time.sleep(0.05)
        assert search(proxy)[1:] == search(database.removeprefix("http://"))[1:]
        assert "rerankd_passthrough 0\n" in get(f"http://{admin}/metrics")[1]
        process.terminate()
        assert process.wait(timeout=int(service["TimeoutStopSec"])) == 0
    finally:
        process.kill()
        process.wait()


def test_without_the_variables_the_packages_configuration_is_good(package):
    command = ("check", "--all", "--config", package / "etc/rerankd/config.yaml")
    effective = yaml.safe_load(output_of(package / "usr/bin/rerankd", *command, env={}))
    assert effective["listeners"][0]["listen"] == "127.0.0.1:6343"
    assert effective["admin"]["listen"] == "127.0.0.1:9464"


def test_the_image_is_configured_as_the_dockerfile_says(image):
    _, about = image
    said: dict[str, list[str]] = {}
    for word, rest in FINAL:
        said.setdefault(word, []).append(rest)
    assert about["User"] == said["USER"][0]
    assert about["Entrypoint"] == json.loads(said["ENTRYPOINT"][0])
    assert about["ExposedPorts"].keys() == {f"{port}/tcp" for port in said["EXPOSE"][0].split()}
    labels = dict(re.findall(r'(org[\w.]+)="([^"]*)"', said["LABEL"][0]))
    given = {**labels, "org.opencontainers.image.version": VERSION}
    del given["org.opencontainers.image.revision"]
    assert given.items() <= about["Labels"].items() and about["Labels"].keys() == labels.keys()


def test_the_images_last_layer_is_what_the_dockerfile_copies():
    manifest = json.loads(output_of("skopeo", "inspect", "--raw", f"oci:{LAYOUT}"))
    assert len(manifest["layers"]) == 2
    blob = RELEASE / f"rerankd-{VERSION}-oci/blobs/sha256" / manifest["layers"][-1]["digest"].removeprefix("sha256:")
    with tarfile.open(blob) as layer:
        files = {f"/{each.name.removeprefix('./')}": each.mode for each in layer if each.isfile()}
    copied = {rest.split()[-1] for word, rest in FINAL if word == "COPY"}
    assert files == {name: 0o755 if "/bin/" in name else 0o644 for name in copied}


def test_the_image_has_no_shell_the_systems_roots_and_a_name_for_its_user(image):
    root, about = image
    assert [path.name for name in ("bin", "sbin", "usr/bin", "usr/sbin") for path in (root / name).glob("*")] == []
    [roots] = [each.split("=")[1] for each in about["Env"] if each.startswith("SSL_CERT_FILE=")]
    assert (root / roots.strip("/")).read_text().count("BEGIN CERTIFICATE") > 100
    assert "nonroot:x:65532:65532:" in (root / "etc/passwd").read_text()
    assert {"libc6", "libgcc-s1", "ca-certificates"} <= {each.name for each in (root / "var/lib/dpkg/status.d").iterdir()}


@root_only
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_image_starts_as_the_manifest_says_reranks_and_stops_in_time(name, database, cohere, image):  # noqa: F811
    spec, container, config = example(name)
    with Pod(container, database, cohere, config, secrets_named(config), image) as pod:
        assert search(pod.proxy)[:2] == ("applied", [1, 0, 2]), pod.logged()
        status = Path(f"/proc/{pod.process.pid}/status").read_text()
        assert re.search(r"^Uid:\s+65532\s+65532\s+65532\s+65532$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE) and re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
        assert os.readlink(f"/proc/{pod.process.pid}/exe").endswith("/usr/local/bin/rerankd")
        pod.tell_to_stop()
        assert pod.process.wait(timeout=spec.get("terminationGracePeriodSeconds", 30)) == 0, pod.logged()
        assert "BAD CONFIGURATION" not in pod.logged()


def test_the_recipe_builds_as_the_dockerfile_does():
    [(_, run)] = [each for each in build_stage.stages((DEPLOY / "Dockerfile").read_text())["build"] if each[0] == "RUN"]
    [command] = re.findall(r"cargo build [^&]*?--bin rerankd", run)
    assert command in (DEPLOY / "release/build").read_text()
