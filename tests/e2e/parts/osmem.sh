# osmem, a stand-in for OpenSearch 3 that is strict about what it is asked.

part_osmem() {
    tell "installing osmem and opensearch-py" venv opensearch || return
    tell "starting osmem (a stand-in for OpenSearch 3)" serve_osmem || return
    tell "opensearch-py, osmem (stand-in)" check_python opensearch test_search.py
}
serve_osmem() {
    local binary
    binary=$("$cache/venv-opensearch/bin/python" -c 'import osmem_server; print(osmem_server.resolve_binary())') || return 1
    start osmem "$binary" -addr 127.0.0.1:0
    wait_for_url 20 osmem osmem '"url"' && in_front_of osmem "$url"
}
