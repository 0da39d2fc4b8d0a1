# `rerankd explain` on OpenSearch 2.19, real: what it shows is sent again by hand. The rerank service is a stand-in.

. "$here/parts/opensearch.sh"

part_explain() {
    tell "installing OpenSearch and its clients" install_opensearch || return
    tell "starting OpenSearch 2.19 (real)" serve_opensearch || return
    export E2E_RERANKD=$rerankd
    tell "explain, OpenSearch 2.19 (real)" check_python opensearch test_explain.py
}
