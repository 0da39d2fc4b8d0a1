"""deploy/Dockerfile, and the program that its build stage made."""

import re
import tomllib

import build_stage
import yaml
from support import CHART, DEPLOY, EXAMPLES, HERE, RERANKD, ROOT, objects, output_of, pods, rerankd_of

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
FINAL = build_stage.stages(DOCKERFILE)["final"]


def final(word: str) -> list[str]:
    return [rest for instruction, rest in FINAL if instruction == word]


def test_hadolint_finds_nothing():
    output_of("hadolint", DEPLOY / "Dockerfile")


def test_the_image_has_no_shell_no_root_and_runs_nothing_while_it_is_made():
    assert "distroless" in build_stage.arguments(DOCKERFILE)["RUN_IMAGE"]
    assert final("USER") == ["65532:65532"] and final("RUN") == []
    assert final("ENTRYPOINT") == ['["/usr/local/bin/rerankd"]']
    assert [rest.split()[-1] for rest in final("COPY") if rest.startswith("--from=build")] == ["/usr/local/bin/rerankd"]
    assert final("EXPOSE") == ["6343 6344 6363 9464"]
    assert "RERANKD_ADMIN__LISTEN=0.0.0.0:9464" in final("ENV")


def test_the_image_says_what_it_is():
    [labels] = final("LABEL")
    named = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert named.keys() == {"title", "description", "licenses", "version", "revision"}
    assert named["licenses"] == CARGO["license"] and named["version"] == "${VERSION}"


def test_the_build_is_locked_and_keeps_its_caches_out_of_the_layers():
    [(_, run)] = [each for each in build_stage.stages(DOCKERFILE)["build"] if each[0] == "RUN"]
    assert "cargo build --locked --profile dist" in run
    assert re.findall(r"type=cache,id=\S+,target=(/[\w/.-]+)", run) == ["/usr/local/cargo/registry", "/src/target"]


def test_both_base_images_are_of_one_debian_and_the_compiler_is_new_enough():
    images = build_stage.arguments(DOCKERFILE)
    compiler = re.search(r"/rust:(\d+)\.(\d+)\.\d+-slim-(\w+)$", images["BUILD_IMAGE"])
    assert (int(compiler[1]), int(compiler[2])) >= tuple(int(part) for part in CARGO["rust-version"].split("."))
    releases = {"bookworm": "12", "trixie": "13"}
    assert re.search(rf"debian{releases[compiler[3]]}:nonroot$", images["RUN_IMAGE"])


def test_only_what_is_built_reaches_the_builder(tmp_path):
    build_stage.lay_context(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"Cargo.toml", "Cargo.lock", "LICENSE", "src"}


def test_the_base_image_has_every_library_that_the_program_needs():
    # What distroless/cc holds: the C library's parts and libgcc.
    there = {
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libgcc_s.so.1",
        "ld-linux-x86-64.so.2",
    }
    needed = set(re.findall(r"NEEDED\s+(\S+)", output_of("objdump", "-p", RERANKD)))
    assert needed <= there, needed - there


def test_the_program_is_of_this_version():
    assert output_of(RERANKD, "--version").strip() == f"rerankd {CARGO['version']}"


def test_every_manifest_and_the_chart_name_this_version():
    version = CARGO["version"]
    assert f"ARG VERSION={version}" in DOCKERFILE
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == version
    for name in EXAMPLES:
        [(_, pod)] = pods(objects((DEPLOY / f"plain/{name}.yaml").read_text()))
        assert rerankd_of(pod)[0]["image"] == f"registry.example.com/rerankd:{version}"


def test_the_reader_of_the_dockerfile_stops_at_what_it_does_not_know():
    for broken in ("COPY --chown=1 a b", "COPY missing there"):
        try:
            build_stage.copy(broken.removeprefix("COPY "), HERE / "no-context", HERE / "no-stage")
        except build_stage.Unknown:
            continue
        raise AssertionError(broken)
