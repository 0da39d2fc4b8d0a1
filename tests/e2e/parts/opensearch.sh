# OpenSearch 2.19 with its k-NN plugin, real: the published artifacts, started by opensearch/.

part_opensearch() {
    tell "installing OpenSearch and its clients" install_opensearch || return
    tell "starting OpenSearch 2.19 (real)" serve_opensearch || return
    tell "opensearch-py, OpenSearch 2.19 (real)" check_python opensearch test_search.py test_opensearch_knn.py
    tell "opensearch-js, OpenSearch 2.19 (real)" check_javascript search.test.mjs
    tell "random searches, OpenSearch 2.19 (real)" check_python opensearch test_random_searches.py
}
make_opensearch() {
    rm -rf "$cache/opensearch-node" &&
        timeout 900 mvn --batch-mode --no-transfer-progress --file "$here/opensearch/pom.xml" \
            "-De2e.build=$cache/opensearch-node" package
}
opensearch() {
    local sources
    mapfile -t sources < <(find "$here/opensearch" -type f | sort)
    need java javac mvn && once opensearch-node "${sources[@]}" -- make_opensearch
}
install_opensearch() { opensearch && venv opensearch && javascript; }
serve_opensearch() { start_opensearch && in_front_of opensearch "$url"; }
start_opensearch() { # sets `url`
    mkdir -p "$work/opensearch-data"
    start opensearch java -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$work" \
        -cp "$cache/opensearch-node/opensearch-node.jar:$cache/opensearch-node/lib/*" \
        dev.rerankd.e2e.OpenSearchNode "$work/opensearch-data"
    wait_for_url 90 opensearch OpenSearch '^opensearch '
}
