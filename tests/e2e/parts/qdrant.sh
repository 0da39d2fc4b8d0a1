# Qdrant: a stand-in, the Python client's local mode behind HTTP, since no registry has the server; and recorded
# responses of a real one (1.18.3), which say in their bodies how they ended: the clients have to read them all the same.

part_qdrant() {
    tell "installing the Qdrant clients" install_qdrant || return
    tell "starting a stand-in for Qdrant (no registry has the server)" serve_qdrant || return
    tell "qdrant-client, stand-in for Qdrant" check_python qdrant test_qdrant.py
    tell "qdrant-js, stand-in for Qdrant" check_javascript qdrant.test.mjs
    tell "starting recorded responses of Qdrant 1.18.3" serve_recorded || return
    tell "qdrant-client, recorded responses" check_python qdrant test_recorded.py
    tell "qdrant-js, recorded responses" check_javascript recorded.test.mjs
}
install_qdrant() { venv qdrant && javascript; }
# What was recorded is one page: rerankd must not ask for another.
serve_recorded() {
    start qdrant-recorded python3 "$here/qdrant_recorded.py"
    wait_for_url 20 qdrant-recorded "the recorded responses" '^qdrant-recorded ' && export E2E_RECORDED=$url &&
        start_cohere recorded-cohere &&
        start_rerankd recorded-rerankd "$E2E_RECORDED" "$url" 20s RERANKD_RERANK__WIDEN=never RERANKD_RERANK__ANSWER_BLOCK=true &&
        export E2E_RECORDED_PROXY=$url
}
