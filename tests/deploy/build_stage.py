"""Runs the build stage of deploy/Dockerfile without a container engine: the same commands on the same files.

    build_stage.py FOLDER      the stage's file system: FOLDER/context is what an engine would be sent, FOLDER/stage is
                               the stage's working folder; the program is FOLDER/stage/out/rerankd afterwards

It knows no more of a Dockerfile than this one uses, and stops at the rest. What it cannot show is that the base images
exist and hold what the commands need.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


class Unknown(Exception):
    """Something that this reader does not know."""


def instructions(text: str) -> list[tuple[str, str]]:
    """Each instruction and what follows it, lines joined, comments gone."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def stages(text: str) -> dict[str, list[tuple[str, str]]]:
    """Instructions by the name of their stage; the last one, which has none, is `final`."""
    found: dict[str, list[tuple[str, str]]] = {}
    stage = None
    for word, rest in instructions(text):
        if word == "FROM":
            named = re.fullmatch(r"\S+ AS (\S+)", rest)
            stage = found.setdefault(named[1] if named else "final", [(word, rest)])
        elif stage is not None:
            stage.append((word, rest))
    return found


def arguments(text: str) -> dict[str, str]:
    """The ARGs before the first FROM, with defaults."""
    head = []
    for word, rest in instructions(text):
        if word == "FROM":
            break
        head.append((word, rest))
    return dict(rest.split("=", 1) for word, rest in head if word == "ARG")


def in_context(path: str, ignore: str) -> bool:
    """Whether .dockerignore lets the path in: the last line that matches decides."""
    let_in = True
    for line in ignore.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        name = pattern.removeprefix("!")
        if name != "*" and re.search(r"[*?\[\\]", name):
            raise Unknown(f".dockerignore: {pattern}")
        if name == "*" or path == name or path.startswith(name + "/"):
            let_in = pattern.startswith("!")
    return let_in


def lay_context(target: Path) -> None:
    """Lays what an engine would be sent: the files under version control, and new ones, less what is ignored."""
    ignore = (ROOT / ".dockerignore").read_text()
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    wanted = {path for path in listed if path and in_context(path, ignore) and (ROOT / path).is_file()}
    for path in wanted:
        copy_if_changed(ROOT / path, target / path)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if str(path.relative_to(target)) not in wanted:
            path.unlink()


def copy_if_changed(source: Path, target: Path) -> None:
    """Leaves the time of what is the same as it was, so that the compiler has nothing to do."""
    if target.is_file() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def copy(rest: str, context: Path, stage: Path) -> set[Path]:
    words = shlex.split(rest)
    if any(word.startswith("--") for word in words):
        raise Unknown(f"COPY {rest}")
    *sources, target = words
    copied = set()
    for name in sources:
        source = context / name
        if not source.exists():
            raise Unknown(f"COPY {name}: the context does not have it (.dockerignore?)")
        files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
        for file in files:
            inner = file.relative_to(source) if source.is_dir() else Path(source.name)
            copy_if_changed(file, stage / target / inner)
            copied.add((stage / target / inner).resolve())
    return copied


def command(rest: str) -> str:
    """A RUN's command without its cache mounts, which change nothing but speed."""
    words = rest
    while mount := re.match(r"--mount=type=cache,\S+\s+", words):
        words = words[mount.end() :]
    if words.startswith("--") or words.startswith("["):
        raise Unknown(f"RUN {rest}")
    return words


def run(folder: Path) -> None:
    context, stage = folder / "context", folder / "stage"
    for path in (context, stage):
        path.mkdir(parents=True, exist_ok=True)
    lay_context(context)
    copied: set[Path] = set()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("CARGO_TARGET", "RUSTFLAGS"))
    }
    for word, rest in stages(DOCKERFILE.read_text())["build"]:
        match word:
            case "FROM" | "ARG" | "WORKDIR":
                pass
            case "ENV":
                environment.update(pair.split("=", 1) for pair in shlex.split(rest))
            case "COPY":
                copied |= copy(rest, context, stage)
            case "RUN":
                leave_only(copied, stage)
                shown = command(rest)
                print(f"build stage: {' '.join(shown.split())}", flush=True)
                subprocess.run(["/bin/sh", "-c", shown], cwd=stage, env=environment, check=True)
            case _:
                raise Unknown(word)


def leave_only(copied: set[Path], stage: Path) -> None:
    """What an earlier run copied and this one did not is gone; what the compiler made stays."""
    made = {stage / "target", stage / "out"}
    for path in [path for path in stage.rglob("*") if path.is_file()]:
        if path.resolve() not in copied and not made & set(path.parents):
            path.unlink()


if __name__ == "__main__":
    try:
        run(Path(sys.argv[1]).resolve())
    except Unknown as problem:
        sys.exit(f"build_stage: cannot follow the Dockerfile: {problem}")
    except subprocess.CalledProcessError as problem:
        sys.exit(f"build_stage: FAILED with {problem.returncode}")
