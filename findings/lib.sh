# What the findings have in common; a script reads it first. It makes `tmp`, a folder that is removed at the end with
# all that was started.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tmp=$(mktemp -d)
pids=()
end() {
    local status=$? pid
    set +e
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$tmp"
    exit "$status"
}
trap end EXIT

# saw WHAT VALUE: for the reader. is WHAT VALUE EXPECTED: and for the exit status.
saw() { printf '%s: %s\n' "$1" "$2"; }
is() {
    saw "$1" "$2"
    [[ $2 == "$3" ]] || { printf 'CHANGED: %s, expected: %s\n' "$1" "$3"; exit 1; }
}
is_not() {
    saw "$1" "$2"
    [[ $2 != "$3" ]] || { printf 'CHANGED: %s, expected anything else\n' "$1"; exit 1; }
}

# quietly COMMAND...: shows its output only if it fails.
quietly() { "$@" >"$tmp/log" 2>&1 || { tail -n 25 "$tmp/log"; echo "FAILED: $*"; exit 1; } >&2; }

# rust DEPENDENCIES <PROGRAM: runs a program with these lines of [dependencies].
rust() {
    mkdir -p "$tmp/crate/src"
    printf '[package]\nname = "finding"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]\n%s\n' "$1" \
        >"$tmp/crate/Cargo.toml"
    cat >"$tmp/crate/src/main.rs"
    quietly env -u RUSTFLAGS CARGO_TARGET_DIR="$tmp/crate/target" cargo build --manifest-path "$tmp/crate/Cargo.toml"
    "$tmp/crate/target/debug/finding"
}

# npm_install PACKAGE@VERSION...: into $tmp. pip_install PACKAGE==VERSION...: into $tmp/venv.
npm_install() { quietly npm install --prefix "$tmp" --no-audit --no-fund --ignore-scripts "$@"; }
pip_install() {
    quietly python3 -m venv "$tmp/venv"
    quietly "$tmp/venv/bin/python" -m pip install --no-input --disable-pip-version-check "$@"
}

# Sets `java_home` to a JDK of 21 or newer.
java_21() {
    local home version
    for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        [[ -x $home/bin/javac ]] || continue
        version=$("$home/bin/javac" -version 2>&1 | sed -nE 's/^javac ([0-9]+).*/\1/p')
        ((${version:-0} >= 21)) && java_home=$home && return
    done
    echo 'FAILED: no JDK 21 or newer: name one in JAVA_HOME'
    exit 1
}

# database elasticsearch|opensearch-3: builds the node of the end-to-end tests (the published server artifacts) and starts it
# on a free port of the loopback. Sets `url`, prints its version.
database() {
    local name=$1 home=$tmp/$1 arguments=() line tries=900
    java_21
    mkdir -p "$home"
    quietly env JAVA_HOME="$java_home" mvn --batch-mode --no-transfer-progress --file "$here/../tests/e2e/$name/pom.xml" \
        "-De2e.build=$home/build" package
    mkdir -p "$home/build/home/lib" "$home/build/home/plugins" "$home/data"
    case $name in
        elasticsearch) arguments=(org.elasticsearch.node.EndToEndNode "$home/build/home" "$home/data") ;;
        opensearch-3) arguments=(dev.rerankd.e2e.OpenSearchNode "$home/data") ;;
    esac
    touch "$home/out"
    mkfifo "$home/stdin" # a node ends with its standard input: this one is never closed
    "$java_home/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$home" \
        --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED -cp "$home/build/*:$home/build/lib/*" \
        "${arguments[@]}" <>"$home/stdin" >"$home/out" 2>"$home/err" &
    pids+=($!)
    until line=$(grep -m1 -E '^(elasticsearch|opensearch) .*http' "$home/out"); do
        ((tries-- > 0)) && kill -0 "${pids[-1]}" 2>/dev/null || { tail -n 25 "$home/out" "$home/err"; exit 1; }
        sleep 0.1
    done
    url=${line##* }
    saw version "${line% *}"
}

# ask METHOD PATH [BODY]: what the database at `url` answers, whatever its status. status …: its status only.
ask() { curl -sS -X "$1" -H 'content-type: application/json' ${3+--data-binary "$3"} "$url$2"; }
status() { curl -sS -o /dev/null -w '%{http_code}' -X "$1" -H 'content-type: application/json' ${3+--data-binary "$3"} "$url$2"; }
put() { # put METHOD PATH [BODY]: prepares; must succeed
    local got
    got=$(status "$@")
    [[ $got == 20? ]] || { echo "FAILED: $1 $2: $got"; exit 1; }
}

# of EXPRESSION <JSON: a Python expression over the answer `a`.
of() { python3 -c 'import json, sys; a = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
