# Weaviate 1.35.2, real: built from its source by Go, which takes ten minutes and two gigabytes, and so only where somebody
# asks for it: E2E_WEAVIATE=build, or E2E_WEAVIATE=PATH of a weaviate-server. The official Python client over gRPC and REST,
# and Weaviate's own module reranker-cohere at rerankd's rerank endpoint. Elsewhere recorded exchanges stand in (the
# laws of every dialect, tests/fixtures/weaviate-*).

part_weaviate() {
    if [[ -z ${E2E_WEAVIATE:-} ]]; then
        say "SKIPPED: weaviate: the server takes ten minutes to build; E2E_WEAVIATE=build tests/e2e/run weaviate"
        return
    fi
    tell "installing Weaviate and its client" install_weaviate || return
    tell "starting Weaviate 1.35 (real)" serve_weaviate || return
    tell "weaviate-client 4, Weaviate 1.35 (real)" check_python weaviate test_weaviate.py
}
weaviate_version=v1.35.2
make_weaviate() {
    rm -rf "$cache/weaviate" && mkdir "$cache/weaviate" && cd "$cache/weaviate" && go mod init build &&
        CGO_ENABLED=0 GOFLAGS='-mod=mod -p=1' GOBIN=$cache/weaviate timeout 1800 \
            go install "github.com/weaviate/weaviate/cmd/weaviate-server@$weaviate_version"
}
install_weaviate() {
    venv weaviate || return
    weaviate_server=$E2E_WEAVIATE
    if [[ $E2E_WEAVIATE == build ]]; then
        need go && once weaviate-server "$here/parts/weaviate.sh" -- in_subshell make_weaviate || return
        weaviate_server=$cache/weaviate/weaviate-server
    fi
    "$weaviate_server" --version >/dev/null 2>&1 || [[ -x $weaviate_server ]]
}
serve_weaviate() {
    local rest grpc gossip data raft rpc
    read -r rest grpc gossip data raft rpc < <(free_ports 6)
    start weaviate env AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED=true "PERSISTENCE_DATA_PATH=$work/weaviate" \
        DEFAULT_VECTORIZER_MODULE=none ENABLE_MODULES=reranker-cohere COHERE_APIKEY=any DISABLE_TELEMETRY=true \
        CLUSTER_HOSTNAME=node1 CLUSTER_ADVERTISE_ADDR=127.0.0.1 "CLUSTER_GOSSIP_BIND_PORT=$gossip" \
        "CLUSTER_DATA_BIND_PORT=$data" "RAFT_PORT=$raft" "RAFT_INTERNAL_RPC_PORT=$rpc" RAFT_BOOTSTRAP_EXPECT=1 \
        "GRPC_PORT=$grpc" GOMEMLIMIT=400MiB "$weaviate_server" --host 127.0.0.1 --port "$rest" --scheme http
    wait_until 90 "$started" Weaviate curl -fsS -m 2 "http://127.0.0.1:$rest/v1/.well-known/ready" || { show_logs weaviate; return 1; }
    in_front_of_weaviate "http://127.0.0.1:$rest" "http://127.0.0.1:$grpc"
}
in_front_of_weaviate() { # REST GRPC; a client of Weaviate's wants two ports, also where each takes all
    local second failing settings=(RERANKD_DIALECT=weaviate "RERANKD_UPSTREAM__GRPC_URL=$2")
    read -r second failing < <(free_ports 2)
    export E2E_BACKEND=weaviate E2E_DIRECT=$1 E2E_DIRECT_GRPC=${2##*:} E2E_PROXY_GRPC=$second E2E_FAILING_GRPC=$failing
    start_cohere weaviate-cohere && export E2E_COHERE=$url &&
        start_cohere weaviate-cohere-failing && export E2E_COHERE_FAILING=$url &&
        start_rerankd weaviate-rerankd "$1" "$E2E_COHERE" 20s "${settings[@]}" "RERANKD_GRPC_LISTEN=127.0.0.1:$second" &&
        export E2E_PROXY=$url &&
        start_rerankd weaviate-rerankd-failing "$1" "$E2E_COHERE_FAILING" 500ms "${settings[@]}" \
            "RERANKD_GRPC_LISTEN=127.0.0.1:$failing" && export E2E_FAILING=$url &&
        start_rerank_api weaviate-api "$E2E_COHERE" 10s && export E2E_API=$url
}
