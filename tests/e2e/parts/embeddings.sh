# Searches by a bare vector, reranked for the text that the application had embedded: unchanged programs over the SDKs and
# frameworks of both languages, before the demo's database and OpenSearch 2.19 with its k-NN plugin, real. The embedding
# services are stand-ins, which also chat, take files and hold a websocket; so is the rerank service.

. "$here/parts/opensearch.sh"

part_embeddings() {
    tell "installing the SDKs and frameworks" install_embeddings || return
    tell "starting stand-ins for the services, the demo's database, OpenSearch 2.19 (real)" serve_embeddings || return
    tell "unchanged programs in Python, their variables at rerankd" check_python embeddings test_embeddings.py -k "not mjs"
    tell "unchanged programs in JavaScript, likewise" check_python embeddings test_embeddings.py -k mjs
    tell "what else travels to the services" check_python embeddings test_embedding_traffic.py
    tell "answers from long documents, OpenSearch 2.19 (real)" check_python embeddings test_rag.py
}

install_embeddings() {
    opensearch && venv embeddings && need node npm &&
        once embeddings-js "$here/embeddings/package.json" "$here/embeddings/package-lock.json" -- in_subshell make_embeddings_js
}
make_embeddings_js() {
    rm -rf "$cache/embeddings-js" && mkdir "$cache/embeddings-js" && cp "$here"/embeddings/package*.json "$cache/embeddings-js/" &&
        cd "$cache/embeddings-js" && timeout 300 npm ci --no-audit --no-fund --ignore-scripts
}

serve_embeddings() {
    local python=$cache/venv-embeddings/bin/python
    # LangChain and the stand-in need OpenAI's table of tokens, which is not to be fetched; LiteLLM's package has it.
    TIKTOKEN_CACHE_DIR=$(echo "$cache"/venv-embeddings/lib/python3*/site-packages/litellm/litellm_core_utils/tokenizers)
    export LITELLM_LOCAL_MODEL_COST_MAP=True # not from the network either
    export TIKTOKEN_CACHE_DIR E2E_PROGRAMS_JS=$cache/embeddings-js && cp "$here"/embeddings/*.mjs "$E2E_PROGRAMS_JS/" &&
        start_opensearch && export E2E_OPENSEARCH=$url && serve_demo &&
        demo_grpc=$(sed -nE 's/^.*database .*, gRPC ([0-9.:]+).*/\1/p' "$work/logs/demo.out" | head -n1) &&
        export E2E_DEMO_GRPC=${demo_grpc##*:} &&
        start embedding-services "$python" "$here/embedding_services.py" &&
        wait_for_url 20 embedding-services "the services' stand-in" '^embedding-services ' && export E2E_SERVICES=$url &&
        start_embeddings_rerankd
}

start_embeddings_rerankd() {
    local qdrant grpc opensearch embeddings api admin
    read -r qdrant grpc opensearch embeddings api admin < <(free_ports 6)
    cat >"$work/embeddings.yaml" <<-END
	listeners:
	  - { listen: 127.0.0.1:$qdrant, grpc_listen: 127.0.0.1:$grpc, upstream: { url: "$E2E_DEMO_DATABASE", grpc_url: "http://127.0.0.1:$E2E_DEMO_GRPC" } }
	  - { listen: 127.0.0.1:$opensearch, upstream: { url: "$E2E_OPENSEARCH" } }
	admin: { listen: 127.0.0.1:$admin }
	inspector: { capture: text }
	rerank: { deadline: 20s }
	rerank_api: { listen: 127.0.0.1:$api, deadline: 10s }
	cache: { max_bytes: 0 }
	embeddings:
	  listen: 127.0.0.1:$embeddings
	  services:
	    openai: { url: "$E2E_SERVICES/v1" }
	    cohere: { url: "$E2E_SERVICES" }
	    google: { url: "$E2E_SERVICES" }
	    ollama: { url: "$E2E_SERVICES" }
	    azure: { url: "$E2E_SERVICES", form: openai }
	    tei: { url: "$E2E_SERVICES", form: tei }
	END
    start embeddings-rerankd env CO_API_KEY=test "CO_API_URL=$E2E_SERVICES" "$rerankd" serve --config "$work/embeddings.yaml"
    wait_until 20 "$started" "rerankd (embeddings-rerankd)" curl -fsS -m 2 "http://127.0.0.1:$admin/readyz" ||
        { show_logs embeddings-rerankd; return 1; }
    export E2E_QDRANT=http://127.0.0.1:$qdrant E2E_QDRANT_GRPC=$grpc E2E_OPENSEARCH_PROXY=http://127.0.0.1:$opensearch
    export E2E_RERANKD=$rerankd E2E_RERANKD_PID=$started E2E_RERANKD_LOG=$work/logs/embeddings-rerankd.err
    export E2E_EMBEDDINGS=http://127.0.0.1:$embeddings E2E_API=http://127.0.0.1:$api E2E_ADMIN=http://127.0.0.1:$admin
}
