# noida-db, a stand-in for Elasticsearch 8: no registry has the server.

part_elasticsearch() {
    tell "installing noida-db and the Elasticsearch clients" install_elasticsearch || return
    tell "starting noida-db (a stand-in for Elasticsearch: no registry has the server)" serve_noida || return
    tell "elasticsearch-py 8, noida-db (stand-in)" check_python elasticsearch-8 test_search.py
    tell "elasticsearch-py 9, noida-db (stand-in)" check_python elasticsearch-9 test_search.py
    tell "elasticsearch-js 9, noida-db (stand-in)" check_javascript search.test.mjs
}
install_elasticsearch() { venv elasticsearch-8 && venv elasticsearch-9 && javascript; }
serve_noida() {
    mkdir -p "$work/noida-data"
    start noida "$cache/venv-elasticsearch-8/bin/noida-db" start --host 127.0.0.1 --only elasticsearch \
        --elasticsearch-port 0 --data-dir "$work/noida-data"
    wait_for_url 20 noida noida-db 'elasticsearch +http' && in_front_of noida "$url"
}
