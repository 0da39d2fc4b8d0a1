# Apache Solr 9.10.1, real: the published artifacts, started by solr/; pysolr and plain HTTP.

part_solr() {
    tell "installing Solr and its client" install_solr || return
    tell "starting Solr 9.10 (real)" serve_solr || return
    tell "pysolr, Solr 9.10 (real)" check_python described test_described.py
}
make_solr() {
    rm -rf "$cache/solr-node" &&
        JAVA_HOME=$java_home timeout 900 mvn --batch-mode --no-transfer-progress --file "$here/solr/pom.xml" \
            "-De2e.build=$cache/solr-node" package
}
install_solr() {
    local sources
    mapfile -t sources < <(find "$here/solr" -type f | sort)
    need mvn && java_of 17 && once solr-node "${sources[@]}" -- make_solr && venv described
}
serve_solr() {
    cp -r "$here/solr/home" "$work/solr-home" || return 1
    start solr "$java_home/bin/java" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dsolr.jetty.host=127.0.0.1 \
        "-Djava.io.tmpdir=$work" -cp "$cache/solr-node/solr-node.jar:$cache/solr-node/lib/*" dev.rerankd.EndToEndSolr "$work/solr-home"
    wait_for_url 90 solr Solr '^solr ' && in_front_of solr "$url" RERANKD_DIALECT=solr
}
