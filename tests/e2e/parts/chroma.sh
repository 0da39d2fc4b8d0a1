# Chroma 1.5.9, real: the server of its Python package, through the client of that package.

part_chroma() {
    tell "installing Chroma and its client" venv described || return
    tell "starting Chroma 1.5 (real)" serve_chroma || return
    tell "chromadb, Chroma 1.5 (real)" check_python described test_described.py
}
serve_chroma() {
    local port
    read -r port < <(free_ports 1)
    start chroma env ANONYMIZED_TELEMETRY=False "$cache/venv-described/bin/chroma" run --path "$work/chroma" --host 127.0.0.1 --port "$port"
    wait_until 60 "$started" Chroma curl -fsS -m 2 "http://127.0.0.1:$port/api/v2/heartbeat" || { show_logs chroma; return 1; }
    in_front_of chroma "http://127.0.0.1:$port" RERANKD_DIALECT=chroma
}
