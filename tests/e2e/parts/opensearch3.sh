# OpenSearch 3.9, real: the published server artifacts, started by opensearch-3/.

part_opensearch3() {
    tell "installing OpenSearch 3.9 and its clients" install_opensearch3 || return
    tell "starting OpenSearch 3.9 (real)" serve_opensearch3 || return
    tell "opensearch-py, OpenSearch 3.9 (real)" check_python opensearch test_search.py
    tell "random searches, OpenSearch 3.9 (real)" check_python opensearch test_random_searches.py
}
make_opensearch3() {
    rm -rf "$cache/opensearch3-node" &&
        JAVA_HOME=$java_home timeout 900 mvn --batch-mode --no-transfer-progress --file "$here/opensearch-3/pom.xml" \
            "-De2e.build=$cache/opensearch3-node" package
}
install_opensearch3() {
    local sources
    mapfile -t sources < <(find "$here/opensearch-3" -type f | sort)
    need mvn && java_of 21 && once opensearch3-node "${sources[@]}" -- make_opensearch3 && venv opensearch
}
serve_opensearch3() {
    mkdir -p "$work/opensearch3-data"
    start opensearch3 "$java_home/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -Djava.io.tmpdir="$work" --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
        -cp "$cache/opensearch3-node/opensearch-node.jar:$cache/opensearch3-node/lib/*" \
        dev.rerankd.e2e.OpenSearchNode "$work/opensearch3-data"
    wait_for_url 90 opensearch3 "OpenSearch 3" '^opensearch ' && in_front_of opensearch3 "$url"
}
