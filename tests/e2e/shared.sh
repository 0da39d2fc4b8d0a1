# What the parts have in common: taking servers up and down, installing, and the servers and checks of several parts.
# `run` reads this; it sets `here`, `root`, `cache`, `work`, `pids`, `results` and `failed`.

say() { printf '%s e2e: %s\n' "$(date +%H:%M:%S)" "$*"; }

stop_from() { # takes down, by process group, the servers started since there were $1 of them, and their children
    local pid waited=0
    for pid in "${pids[@]:$1}"; do kill -- "-$pid" 2>/dev/null; done
    for pid in "${pids[@]:$1}"; do
        while kill -0 -- "-$pid" 2>/dev/null && ((waited++ < 80)); do sleep 0.1; done
        kill -9 -- "-$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    pids=("${pids[@]:0:$1}")
}

start() { # start NAME COMMAND...: a server; its output goes to logs/NAME.out and .err
    local name=$1
    shift
    # Here, not in the child: what an earlier part's server of this name said must not be read for this one's.
    : >"$work/logs/$name.out" && : >"$work/logs/$name.err"
    set -m # a process group of its own: what it starts ends with it
    "$@" <"$work/stdin" >"$work/logs/$name.out" 2>"$work/logs/$name.err" 9>&- &
    set +m
    pids+=($!)
    started=$!
}

wait_until() { # wait_until SECONDS PID WHAT COMMAND...: polls; gives up when the process is gone
    local tries=$(($1 * 10)) pid=$2 what=$3
    shift 3
    while ((tries-- > 0)); do
        "$@" >/dev/null 2>&1 && return 0
        kill -0 "$pid" 2>/dev/null || { "$@" >/dev/null 2>&1 && return 0; break; }
        sleep 0.1
    done
    say "FAILED: $what did not start"
    return 1
}

show_logs() { # show_logs NAME...
    local name file
    for name in "$@"; do
        for file in "$work/logs/$name".{out,err}; do
            [[ -s $file ]] && { echo "--- last lines of $(basename "$file")"; tail -n 25 "$file"; }
        done
    done
}

url_in() { # url_in FILE REGEX: the first URL on the first matching line
    grep -m1 -iE "$2" "$1" | grep -oE 'https?://[^][:space:]"'\'',)}]+' | head -n1 | sed 's#/$##'
}

# --- installing -------------------------------------------------------------------------------------------------

once() { # once NAME FILES-THAT-DECIDE... -- COMMAND...: runs it unless it succeeded before for the same files
    local name=$1 files=() stamp before=$SECONDS
    shift
    while [[ $1 != -- ]]; do files+=("$1"); shift; done
    shift
    stamp=$(sha256sum "${files[@]}" | cut -d' ' -f1 | sha256sum | cut -d' ' -f1)
    [[ $(cat "$cache/$name.stamp" 2>/dev/null) == "$stamp" ]] && return 0
    rm -f "$cache/$name.stamp"
    say "installing $name"
    if ! "$@" >"$cache/$name.log" 2>&1; then
        say "installing $name failed once; again"
        "$@" >"$cache/$name.log" 2>&1 || {
            say "FAILED: installing $name"
            tail -n 25 "$cache/$name.log"
            return 1
        }
    fi
    echo "$stamp" >"$cache/$name.stamp"
    say "installed $name in $((SECONDS - before)) s"
}

need() { # need PROGRAM...
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || { say "FAILED: '$program' is not on this machine"; return 1; }
    done
}

java_of() { # java_of VERSION: sets `java_home` to a JDK of at least that version
    local home version
    for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        [[ -x $home/bin/javac ]] || continue
        version=$("$home/bin/javac" -version 2>&1 | sed -nE 's/^javac ([0-9]+).*/\1/p')
        if ((${version:-0} >= $1)); then
            java_home=$home
            return 0
        fi
    done
    if [[ -z ${java_tried:-} && $(id -u) == 0 ]]; then
        java_tried=yes
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            "openjdk-$1-jdk-headless" >"$cache/jdk.log" 2>&1 && java_of "$1" && return 0
    fi
    say "FAILED: no JDK $1 or newer: name one in JAVA_HOME"
    return 1
}

make_venv() { # make_venv NAME
    rm -rf "$cache/venv-$1" && python3 -m venv "$cache/venv-$1" &&
        timeout 600 "$cache/venv-$1/bin/python" -m pip install --quiet --no-input -r "$here/requirements/$1.txt"
}
venv() { need python3 && once "venv-$1" "$here/requirements/$1.txt" -- make_venv "$1"; }

make_javascript() {
    rm -rf "$cache/js" && mkdir "$cache/js" && cp "$here/package.json" "$here/package-lock.json" "$cache/js/" &&
        cd "$cache/js" && timeout 300 npm ci --no-audit --no-fund --ignore-scripts
}
javascript() { need node npm && once javascript "$here/package.json" "$here/package-lock.json" -- in_subshell make_javascript; }
in_subshell() { ("$@"); }

find_rerankd() {
    if [[ -n ${RERANKD_BIN:-} ]]; then
        rerankd=$RERANKD_BIN
    else
        need cargo || return 1
        say "building rerankd"
        (cd "$root" && cargo build --release --locked --quiet) || { say "FAILED: cargo build --release"; return 1; }
        rerankd=${CARGO_TARGET_DIR:-$root/target}/release/rerankd
    fi
    "$rerankd" --version || { say "FAILED: '$rerankd --version'"; return 1; }
}

# --- starting ---------------------------------------------------------------------------------------------------

free_ports() { python3 "$here/ports.py" "$1"; } # free_ports COUNT

start_rerankd() { # start_rerankd NAME UPSTREAM COHERE DEADLINE [VARIABLE=VALUE]...: sets `url`, `admin_url`
    local name=$1 upstream=$2 cohere=$3 deadline=$4 listen admin
    shift 4
    read -r listen admin < <(free_ports 2)
    start "$name" env CO_API_KEY=test "CO_API_URL=$cohere" "RERANKD_RERANK__DEADLINE=$deadline" "$@" \
        "$rerankd" serve --listen "127.0.0.1:$listen" --admin "127.0.0.1:$admin" --upstream "$upstream"
    wait_until 20 "$started" "rerankd ($name)" curl -fsS -m 2 "http://127.0.0.1:$admin/readyz" ||
        { show_logs "$name"; return 1; }
    url=http://127.0.0.1:$listen admin_url=http://127.0.0.1:$admin
}

start_cohere() { # start_cohere NAME: sets `url`
    start "$1" python3 "$here/cohere_standin.py"
    wait_until 20 "$started" "the Cohere stand-in" url_in "$work/logs/$1.out" '^cohere-standin ' ||
        { show_logs "$1"; return 1; }
    url=$(url_in "$work/logs/$1.out" '^cohere-standin ')
}

start_rerank_api() { # start_rerank_api NAME COHERE DEADLINE: rerankd with its rerank endpoint only; sets `url`
    local listen admin
    read -r listen admin < <(free_ports 2)
    start "$1" env CO_API_KEY=test "CO_API_URL=$2" "RERANKD_RERANK_API__LISTEN=127.0.0.1:$listen" \
        "RERANKD_RERANK_API__DEADLINE=$3" "$rerankd" serve --admin "127.0.0.1:$admin"
    wait_until 20 "$started" "rerankd ($1)" curl -fsS -m 2 "http://127.0.0.1:$admin/readyz" ||
        { show_logs "$1"; return 1; }
    url=http://127.0.0.1:$listen
}

# Two of rerankd before one database: one whose provider answers (with a deadline that no busy machine misses), and one
# whose provider the tests break.
in_front_of() { # in_front_of BACKEND DATABASE-URL [VARIABLE=VALUE]...
    export E2E_BACKEND=$1 E2E_DIRECT=$2
    start_cohere "$1-cohere" && E2E_COHERE=$url &&
        start_cohere "$1-cohere-failing" && E2E_COHERE_FAILING=$url &&
        start_rerankd "$1-rerankd" "$2" "$E2E_COHERE" 20s "${@:3}" && E2E_PROXY=$url E2E_PROXY_ADMIN=$admin_url &&
        start_rerankd "$1-rerankd-failing" "$2" "$E2E_COHERE_FAILING" 500ms "${@:3}" && E2E_FAILING=$url &&
        export E2E_COHERE E2E_COHERE_FAILING E2E_PROXY E2E_PROXY_ADMIN E2E_FAILING
}

wait_for_url() { # wait_for_url SECONDS NAME WHAT REGEX: sets `url`
    wait_until "$1" "$started" "$3" url_in "$work/logs/$2.out" "$4" || { show_logs "$2"; return 1; }
    url=$(url_in "$work/logs/$2.out" "$4")
}

# --- servers of several parts ----------------------------------------------------------------------------------

serve_qdrant() {
    start qdrant "$cache/venv-qdrant/bin/python" "$here/qdrant_standin.py"
    wait_for_url 40 qdrant "the Qdrant stand-in" '^qdrant-standin ' && in_front_of qdrant "$url"
}

# Where `rerankd demo` says what it listens on: the first URL on the first line that begins with one of these words.
demo_database_line='^[^[:alnum:]]*database\b.*https?:'
demo_proxy_line='^[^[:alnum:]]*(proxy|rerankd)\b.*https?:'
serve_demo() {
    start demo "$rerankd" demo
    wait_for_url 60 demo "rerankd demo (its database)" "$demo_database_line" && export E2E_DEMO_DATABASE=$url &&
        wait_for_url 10 demo "rerankd demo (its proxy)" "$demo_proxy_line" && export E2E_DEMO_PROXY=$url
}

redis_server() {
    command -v redis-server >/dev/null || make_redis >"$cache/redis-server.log" 2>&1
    need redis-server
}
make_redis() { # of the machine, not of this checkout; RUNLEVEL=1: the package starts no service
    [[ $(id -u) == 0 ]] && apt-get update -qq &&
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends redis-server
}

# --- testing ----------------------------------------------------------------------------------------------------

check_python() { # check_python VENV TEST-FILE...
    local venv=$1
    shift
    (cd "$here" && timeout -k 10 240 "$cache/venv-$venv/bin/python" -m pytest -q -p no:cacheprovider --tb=short "$@")
}

check_javascript() { # check_javascript TEST-FILE
    mkdir -p "$cache/js/recipes" &&
        cp "$here"/*.mjs "$cache/js/" && cp "$here"/recipes/*.mjs "$cache/js/recipes/" &&
        python3 "$here/corpus.py" >"$cache/js/corpus.json" &&
        (cd "$cache/js" && E2E_CORPUS=$cache/js/corpus.json timeout -k 10 120 node --test --test-reporter=spec "$1")
}

tell() { # tell NAME COMMAND...: runs it and notes how it went
    local name=$1 before=$SECONDS
    shift
    echo
    say "== $name"
    if "$@"; then
        results+=("passed  $name ($((SECONDS - before)) s)")
    else
        results+=("FAILED  $name ($((SECONDS - before)) s)")
        failed=$((failed + 1))
        return 1
    fi
}
