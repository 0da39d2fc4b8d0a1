# `rerankd demo`: its own database and its own proxy.

part_demo() {
    tell "installing qdrant-client" venv qdrant || return
    tell "rerankd demo --once" demo_once
    tell "starting rerankd demo" serve_demo || return
    tell "qdrant-client, rerankd's demo database" check_python qdrant test_demo.py
}
demo_once() { timeout -k 10 60 "$rerankd" demo --once </dev/null >"$work/logs/demo-once.out" 2>&1 || { cat "$work/logs/demo-once.out"; return 1; }; }
