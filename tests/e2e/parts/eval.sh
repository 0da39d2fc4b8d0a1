# `rerankd eval` and `rerankd calibrate`: measured again by ir-measures (on trec_eval) and SciPy, which nobody here wrote; on
# the demo's own database, and on OpenSearch 2.19, real. The rerank service is a stand-in.

. "$here/parts/opensearch.sh"

part_eval() {
    tell "installing ir-measures and SciPy" venv eval || return
    export E2E_RERANKD=$rerankd
    tell "measures and the demo, by ir-measures and SciPy" check_python eval test_eval.py
    tell "installing OpenSearch" opensearch || return
    tell "starting OpenSearch 2.19 (real)" serve_opensearch || return
    tell "eval and calibrate, OpenSearch 2.19 (real)" check_python eval test_eval_opensearch.py
}
