# Cohere's SDKs before rerankd's own endpoint; a stand-in for the service, which nobody reaches from a test.

part_cohere() {
    tell "installing Cohere's SDKs" install_cohere || return
    tell "starting stand-ins for Cohere (nobody reaches the real service)" serve_cohere || return
    tell "cohere (Python) 7, rerankd's endpoint before the stand-in" check_python cohere-7 test_cohere_sdk.py
    tell "cohere (Python) 5, rerankd's endpoint before the stand-in" check_python cohere-5 test_cohere_sdk.py
    tell "cohere-ai (JavaScript), rerankd's endpoint before the stand-in" check_javascript cohere_sdk.test.mjs
}
install_cohere() { venv cohere-7 && venv cohere-5 && javascript; }
serve_cohere() {
    export E2E_RERANKD=$rerankd
    start_cohere cohere-sdk && export E2E_COHERE=$url &&
        start_cohere cohere-sdk-failing && export E2E_COHERE_FAILING=$url &&
        start_rerank_api cohere-rerankd "$E2E_COHERE" 10s && export E2E_API=$url &&
        start_rerank_api cohere-rerankd-failing "$E2E_COHERE_FAILING" 500ms && export E2E_API_FAILING=$url
}
