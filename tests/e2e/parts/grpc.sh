# Qdrant over gRPC: the official clients of five languages before the demo's database, and before a stand-in that answers
# with recordings of a real Qdrant 1.19.0, since no registry has the server.

part_grpc() {
    tell "installing Qdrant's gRPC clients: Python, Go, Java, JavaScript, Rust" install_grpc || return
    tell "starting a stand-in for Qdrant over gRPC (no registry has the server) and the demo's database" serve_grpc || return
    tell "Qdrant's gRPC clients, recorded responses and the demo's database" check_python grpc test_grpc.py
}
install_grpc() {
    need go java mvn node npm cargo && export E2E_CLIENTS=$cache/grpc && mkdir -p "$E2E_CLIENTS" && venv grpc &&
        once grpc/go "$here"/clients/go/* -- in_subshell make_grpc_go &&
        once grpc/js "$here"/clients/js/* -- in_subshell make_grpc_js &&
        once_grpc_java java && once_grpc_java spring &&
        once grpc/rust "$here"/clients/rust/Cargo.* "$here"/clients/rust/src/* -- make_grpc_rust
}
make_grpc_go() { cd "$here/clients/go" && go build -o "$E2E_CLIENTS/go/search" .; }
make_grpc_js() {
    mkdir -p "$E2E_CLIENTS/js" && cp "$here"/clients/js/* "$E2E_CLIENTS/js/" && cd "$E2E_CLIENTS/js" &&
        timeout 300 npm ci --omit=peer --no-audit --no-fund --ignore-scripts
}
once_grpc_java() { # once_grpc_java FOLDER
    once "grpc/$1" "$here/clients/$1/pom.xml" "$here/clients/$1"/src/main/java/dev/rerankd/e2e/* -- make_grpc_java "$1"
}
make_grpc_java() {
    rm -rf "$E2E_CLIENTS/$1" &&
        timeout 600 mvn --batch-mode --no-transfer-progress --file "$here/clients/$1/pom.xml" "-De2e.build=$E2E_CLIENTS/$1" package
}
# Not with this checkout's crates: an application's build, of its own.
make_grpc_rust() {
    env -u RUSTFLAGS CARGO_TARGET_DIR="$E2E_CLIENTS/rust" \
        cargo build --locked --quiet --manifest-path "$here/clients/rust/Cargo.toml"
}


serve_grpc() {
    start grpc-standin "$cache/venv-grpc/bin/python" "$here/qdrant_grpc_standin.py"
    wait_for_url 40 grpc-standin "the stand-in" '^qdrant-grpc-standin-grpc ' && standin=$url &&
        wait_for_url 5 grpc-standin "the stand-in" '^qdrant-grpc-standin ' && export E2E_STANDIN=$url && serve_demo &&
        demo_grpc=http://$(sed -nE 's/^.*database .*, gRPC ([0-9.:]+).*/\1/p' "$work/logs/demo.out" | head -n1) &&
        start_cohere grpc-cohere && export E2E_COHERE=$url &&
        start_cohere grpc-cohere-failing && export E2E_COHERE_FAILING=$url &&
        in_front_of_grpc RECORDED "$E2E_STANDIN" "$standin" && in_front_of_grpc DEMO "$E2E_DEMO_DATABASE" "$demo_grpc" &&
        nowhere=http://127.0.0.1:$(free_ports 1) &&
        start_both_ports grpc-away "$nowhere" "$nowhere" "$E2E_COHERE" 20s && export E2E_GRPC_RECORDED_AWAY=$both_ports
}
# in_front_of_grpc NAME REST-URL GRPC-URL: `E2E_GRPC_NAME_WAY` holds the two ports of each way to the database
in_front_of_grpc() {
    export "E2E_GRPC_$1_DIRECT=${2##*:} ${3##*:}"
    start_both_ports "grpc-$1-rerankd" "$2" "$3" "$E2E_COHERE" 20s && export "E2E_GRPC_$1_PROXY=$both_ports" &&
        start_both_ports "grpc-$1-rerankd-failing" "$2" "$3" "$E2E_COHERE_FAILING" 500ms && export "E2E_GRPC_$1_FAILING=$both_ports" &&
        start_both_ports "grpc-$1-rerankd-slow" "$2" "$3" "$E2E_COHERE_FAILING" 20s && export "E2E_GRPC_$1_SLOW=$both_ports"
}
# start_both_ports NAME REST-URL GRPC-URL COHERE DEADLINE: rerankd as `start_rerankd`, listening for gRPC on a port of its
# own; sets `both_ports`
start_both_ports() {
    local grpc
    grpc=$(free_ports 1) &&
        start_rerankd "$1" "$2" "$4" "$5" "RERANKD_UPSTREAM__GRPC_URL=$3" "RERANKD_GRPC_LISTEN=127.0.0.1:$grpc" &&
        both_ports="${url##*:} $grpc"
}
