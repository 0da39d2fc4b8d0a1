# Elasticsearch 9.5.3, real: the published server artifacts, started by elasticsearch/. Painless, Mustache and the retrievers
# of the licensed modules are not published and so not there.

part_elasticsearch() {
    tell "installing Elasticsearch and its clients" install_elasticsearch || return
    tell "starting Elasticsearch 9.5 (real)" serve_elasticsearch || return
    tell "elasticsearch-py 8, Elasticsearch 9.5 (real)" check_python elasticsearch-8 test_search.py
    tell "elasticsearch-py 9, Elasticsearch 9.5 (real)" check_python elasticsearch-9 test_search.py test_elasticsearch.py test_elasticsearch_passages.py
    tell "elasticsearch-js 9, Elasticsearch 9.5 (real)" check_javascript search.test.mjs
    tell "random searches, Elasticsearch 9.5 (real)" check_python elasticsearch-9 test_random_searches.py
}
make_elasticsearch() {
    rm -rf "$cache/elasticsearch-node" &&
        JAVA_HOME=$java_home timeout 900 mvn --batch-mode --no-transfer-progress --file "$here/elasticsearch/pom.xml" \
            "-De2e.build=$cache/elasticsearch-node" package &&
        mkdir -p "$cache/elasticsearch-node/home/lib" "$cache/elasticsearch-node/home/plugins"
}
install_elasticsearch() {
    local sources
    mapfile -t sources < <(find "$here/elasticsearch" -type f | sort)
    need mvn && java_of 21 && once elasticsearch-node "${sources[@]}" -- make_elasticsearch &&
        venv elasticsearch-8 && venv elasticsearch-9 && javascript
}
serve_elasticsearch() {
    mkdir -p "$work/elasticsearch-data"
    start elasticsearch "$java_home/bin/java" -Xms512m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
        -Djava.io.tmpdir="$work" --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED \
        -cp "$cache/elasticsearch-node/elasticsearch-node.jar:$cache/elasticsearch-node/lib/*" \
        org.elasticsearch.node.EndToEndNode "$cache/elasticsearch-node/home" "$work/elasticsearch-data"
    wait_for_url 90 elasticsearch Elasticsearch '^elasticsearch ' && in_front_of elasticsearch "$url" \
        RERANKD_RERANK__INFERENCE_IDS=e2e-rerank RERANKD_RERANK__PASSAGES__BYTES=400 RERANKD_RERANK__PASSAGES__MOST=3
}
