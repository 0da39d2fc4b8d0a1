"""The pages of docs/, the README and the chart's: every command, file and fragment in them is real."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from support import (
    DEPLOY,
    ROOT,
    assert_good_rerankd,
    checked,
    environment,
    helm_template,
    kustomized,
    lay_mounts,
    objects,
    one,
    output_of,
    pods,
    rerankd_of,
)

GUIDE = ROOT / "docs/kubernetes.md"
# Their links are checked by tests/it/pages.rs.
PAGES = {
    page.relative_to(ROOT).as_posix(): page
    for page in (*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")), DEPLOY / "helm/rerankd/README.md")
}


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M) for indent, block in found]


def commands(page: Path) -> list[list[str]]:
    lines = [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]
    return [shlex.split(line.split(" | ")[0]) for line in lines]


def secret_keys(words: list[str]) -> list[str]:
    return [word.split("=")[1] for word in words if word.startswith("--from-file=")]


def named(text: str) -> dict[str, str]:
    """YAML fragments that begin with the name of their file."""
    found = (re.match(r"# (\S+\.yaml)\n", block) for block in blocks(GUIDE, "yaml"))
    return {match[1]: match.string for match in found if match}


@pytest.mark.parametrize("name", PAGES)
def test_every_path_of_this_repository_that_is_named_exists(name):
    for path in re.findall(r"(?<![\w./])((?:deploy|docs|tests)/[\w./-]*[\w/])", PAGES[name].read_text()):
        assert (ROOT / path).exists(), path


def test_every_command_is_of_a_program_that_the_guide_needs_and_names_files_that_are_there():
    assert {words[0] for words in commands(GUIDE)} == {"docker", "kubectl", "helm", "curl", "openssl"}
    for words in commands(GUIDE):
        if words[:2] == ["docker", "build"]:
            assert words[words.index("-f") + 1] == "deploy/Dockerfile" and words[-1] == "."
        for flag, value in zip(words, words[1:]):
            if flag == "-k" or words[1] == "kustomize" and value.startswith("deploy/"):
                assert kustomized(ROOT / value)


@pytest.mark.parametrize("page", [GUIDE, DEPLOY / "helm/rerankd/README.md"], ids=lambda page: page.name)
def test_helm_takes_the_commands_that_install(page):
    installs = [words for words in commands(page) if words[:3] == ["helm", "upgrade", "--install"]]
    assert installs
    for words in installs:
        release, chart, *rest = words[3:]
        manifests = helm_template(release, ROOT / chart, *rest)
        container, _ = rerankd_of(one(manifests, "Deployment")["spec"]["template"])
        assert container["image"] == "registry.example.com/rerankd:0.1.0"


def test_the_secret_that_is_made_is_the_one_that_is_mounted(tmp_path):
    made = [words for words in commands(GUIDE) if "secret" in words]
    one_key, three_keys, new_key = made
    for words in made:
        for name in secret_keys(words):
            (tmp_path / name).write_text("test\n")
        words = [word for word in words if word not in ("--dry-run=client", "-o", "yaml")]
        [secret] = objects(output_of(*words, "--dry-run=client", "-o", "yaml", cwd=tmp_path))
        assert secret["metadata"] == {"name": "rerankd", "namespace": "search"}
        assert sorted(secret["data"]) == sorted(secret_keys(words))
    assert secret_keys(one_key) == secret_keys(new_key) == ["cohere-api-key"]
    redis = one(objects((DEPLOY / "plain/redis.yaml").read_text()), "ConfigMap")["data"]["rerankd.yaml"]
    assert secret_keys(three_keys) == re.findall(r"/secrets/([\w-]+)", redis)
    [(_, pod)] = pods(objects((DEPLOY / "plain/standalone.yaml").read_text()))
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes["rerankd-secrets"]["secret"]["secretName"] == "rerankd"


def test_the_kustomization_in_the_guide_works_with_the_files_that_it_says_to_copy(tmp_path):
    shutil.copytree(DEPLOY / "kustomize/component", tmp_path / "component")
    example = DEPLOY / "kustomize/examples/search-client"
    for name in ("rerankd.yaml", "upstream.yaml", "app.yaml"):
        shutil.copy(example / name, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(named(GUIDE.read_text())["kustomization.yaml"])
    made = kustomized(tmp_path)
    assert made == objects((DEPLOY / "plain/search-client.yaml").read_text())


def test_the_configuration_in_the_guide_loads(tmp_path):
    text = named(GUIDE.read_text())["rerankd.yaml"]
    authority = tmp_path / "ca" / "ca.crt"
    authority.parent.mkdir()
    key = tmp_path / "key.pem"
    output_of(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        key,
        "-out",
        authority,
        "-subj",
        "/CN=test",
    )
    [text] = lay_mounts(
        [{"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"rerankd.yaml": text}}], tmp_path
    ).values()
    [(_, pod)] = pods(objects((DEPLOY / "plain/standalone.yaml").read_text()))
    container, _ = rerankd_of(pod)
    variables = {**environment(container), "RERANKD_UPSTREAM__URL": "https://elasticsearch:9200"}
    effective = checked(text, variables, tmp_path)
    assert effective["listeners"][0]["upstream"]["ca_file"] == str(authority)
    assert_good_rerankd(pod, effective)


def test_the_bypass_leads_the_service_to_the_databases_own_port():
    [words] = [words for words in commands(GUIDE) if "patch" in words]
    changes = yaml.safe_load(words[words.index("-p") + 1])
    service = one(objects((DEPLOY / "plain/qdrant.yaml").read_text()), "Service", words[words.index("service") + 1])
    for at, (change, ours) in enumerate(zip(changes, (6343, 6344), strict=True)):
        assert change["op"] == "replace" and change["path"] == f"/spec/ports/{at}/targetPort"
        assert service["spec"]["ports"][at]["targetPort"] == ours
        service["spec"]["ports"][at]["targetPort"] = change["value"]
    direct = one(objects((DEPLOY / "plain/qdrant.yaml").read_text()), "Service", "qdrant-direct")
    assert service["spec"]["ports"] == direct["spec"]["ports"]


def test_the_bypass_for_clients_sets_the_variable_that_the_example_has():
    [words] = [words for words in commands(GUIDE) if words[1:2] == ["-n"] and "env" in words]
    name, value = words[-1].split("=", 1)
    workload = one(objects((DEPLOY / "plain/search-client.yaml").read_text()), "Deployment")
    assert words[-2] == f"deployment/{workload['metadata']['name']}"
    pod = workload["spec"]["template"]
    assert environment(pod["spec"]["containers"][0])[name] == "http://localhost:6343"
    assert environment(rerankd_of(pod)[0])["RERANKD_UPSTREAM__URL"] == value


def test_every_other_fragment_is_yaml():
    for page in (GUIDE, DEPLOY / "helm/rerankd/README.md"):
        for block in blocks(page, "yaml"):
            if "{{" not in block:
                assert yaml.safe_load(block)
