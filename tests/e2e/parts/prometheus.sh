# The rules and the dashboard's queries before a real Prometheus, unpacked from Debian. Grafana itself is not run.

part_prometheus() {
    tell "installing Prometheus" install_prometheus || return
    tell "the operator's manifest is what the rules say" "$root/deploy/prometheus/render" --check
    tell "starting what is scraped" serve_observed || return
    tell "starting Prometheus (real)" serve_prometheus || return
    tell "the rules, and every query of the dashboard, Prometheus (real)" check_python prometheus test_prometheus.py
}
make_prometheus() {
    rm -rf "$cache/prometheus" && mkdir "$cache/prometheus" && cd "$cache/prometheus" || return
    timeout 120 apt-get download prometheus || { timeout 120 apt-get update && timeout 120 apt-get download prometheus; } &&
        dpkg -x prometheus_*.deb .
}
install_prometheus() {
    venv prometheus && redis_server || return
    if ! { command -v prometheus && command -v promtool; } >/dev/null; then
        need apt-get dpkg && once prometheus /etc/debian_version -- in_subshell make_prometheus || return
        PATH=$cache/prometheus/usr/bin:$PATH
    fi
    export E2E_PROMTOOL=promtool
    prometheus --version 2>&1 | head -n 1
}
# Four of rerankd, each with a part of what there is to see: tests/e2e/observed.py says which.
serve_observed() {
    need openssl && serve_demo && start_cohere prometheus-cohere && export E2E_COHERE=$url || return
    start_cohere prometheus-cohere-failing && export E2E_COHERE_FAILING=$url || return
    start_main || return
    start_rerankd prometheus-shadow "$E2E_DEMO_DATABASE" "$E2E_COHERE" 20s RERANKD_RERANK__MODE=shadow || return
    export E2E_SHADOW_URL=$url E2E_SHADOW_ADMIN=$admin_url
    start_rerankd prometheus-failing "$E2E_DEMO_DATABASE" "$E2E_COHERE_FAILING" 5s \
        RERANKD_RERANK__PARTIAL_SCORES=partial || return
    export E2E_FAILING_URL=$url E2E_FAILING_ADMIN=$admin_url
    start_rerankd prometheus-unreachable "http://127.0.0.1:$(free_ports 1)" "$E2E_COHERE" 20s || return
    export E2E_UNREACHABLE_URL=$url E2E_UNREACHABLE_ADMIN=$admin_url
}
start_main() {
    local listen tls signing api embeddings admin redis
    read -r listen tls signing api embeddings admin redis < <(free_ports 7)
    start prometheus-redis redis-server --bind 127.0.0.1 --port "$redis" --save "" --dir "$work"
    wait_until 20 "$started" Redis redis-cli -p "$redis" ping || { show_logs prometheus-redis; return 1; }
    head -c 32 /dev/urandom >"$work/secret"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
        -keyout "$work/tls.key" -out "$work/tls.crt" 2>"$work/logs/openssl.err" || { show_logs openssl; return 1; }
    cat >"$work/main.yaml" <<END
listeners:
  - { listen: "127.0.0.1:$listen", upstream: { url: "$E2E_DEMO_DATABASE" } }
  - listen: "127.0.0.1:$tls"
    tls: { cert_file: "$work/tls.crt", key_file: "$work/tls.key" }
    upstream: { url: "$E2E_DEMO_DATABASE" }
  # Nobody asks this one: it is there for its series.
  - { listen: "127.0.0.1:$signing", upstream: { url: "$E2E_DEMO_DATABASE", sign: { service: es, region: eu-west-1 } } }
admin: { listen: "127.0.0.1:$admin" }
rerank: { providers: [cohere, lexical], deadline: 20s }
# Nobody searches it: it is there for the series of what it has.
routes: [{ collection: other, providers: [cohere, tokens], sample: 0.5, margin_gate: 0.5, answer_block: true, confidence: { model: m, slope: 1, intercept: 0, least: 0.5 }, drift: { model: m, searches: 100, quantiles: [0, 1] }, skip_when: { words: 1 } }]
# Nor it.
tenants: { names: { acme: { collection: [acme], max_search_units_per_day: 100, cache: { max_bytes: 1MiB } } } }
rerank_api: { listen: "127.0.0.1:$api" }
embeddings: { listen: "127.0.0.1:$embeddings" }
cache: { secret_file: "$work/secret", redis: { url: "redis://127.0.0.1:$redis", share_limits: true } }
# Nobody listens there.
telemetry: { otlp: { endpoint: "http://127.0.0.1:9" } }
providers:
  cohere: { max_search_units_per_day: 1000, max_search_units_per_minute: 1000 }
  tokens: { kind: voyage, base_url: "$E2E_COHERE", api_key_env: CO_API_KEY }
END
    # The keys of AWS's own examples.
    start prometheus-main env CO_API_KEY=test "CO_API_URL=$E2E_COHERE" AWS_ACCESS_KEY_ID=AKIDEXAMPLE \
        AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY "$rerankd" serve --config "$work/main.yaml"
    wait_until 20 "$started" "rerankd (main)" curl -fsS -m 2 "http://127.0.0.1:$admin/readyz" ||
        { show_logs prometheus-main; return 1; }
    export E2E_MAIN_URL=http://127.0.0.1:$listen E2E_MAIN_API=http://127.0.0.1:$api E2E_MAIN_ADMIN=http://127.0.0.1:$admin
}
serve_prometheus() {
    local url port targets=()
    for url in "$E2E_MAIN_ADMIN" "$E2E_SHADOW_ADMIN" "$E2E_FAILING_ADMIN" "$E2E_UNREACHABLE_ADMIN"; do
        targets+=("\"${url#http://}\"")
    done
    cat >"$work/prometheus.yaml" <<END
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }
rule_files: ["$root/deploy/prometheus/rules.yaml"]
scrape_configs: [{ job_name: rerankd, static_configs: [{ targets: [$(IFS=,; echo "${targets[*]}")] }] }]
END
    port=$(free_ports 1)
    start prometheus prometheus --config.file="$work/prometheus.yaml" --storage.tsdb.path="$work/prometheus-data" \
        --web.listen-address="127.0.0.1:$port" --log.level=warn
    wait_until 30 "$started" Prometheus curl -fsS -m 2 "http://127.0.0.1:$port/-/ready" ||
        { show_logs prometheus; return 1; }
    export E2E_PROMETHEUS=http://127.0.0.1:$port
}
