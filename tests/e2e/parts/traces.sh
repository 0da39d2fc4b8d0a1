# An OpenTelemetry Collector 0.161, real: built from its Go modules, which takes some minutes, and so only where somebody asks for
# it: E2E_COLLECTOR=build, or E2E_COLLECTOR=PATH of such a collector. Elsewhere the collector of tests/it stands in, which is
# made from the project's protocol definitions.

part_traces() {
    if [[ -z ${E2E_COLLECTOR:-} ]]; then
        say "SKIPPED: traces: the collector takes minutes to build; E2E_COLLECTOR=build tests/e2e/run traces"
        return
    fi
    tell "building an OpenTelemetry Collector" install_collector || return
    tell "starting it, and rerankd over HTTP and gRPC" serve_traces || return
    tell "OpenTelemetry Collector 0.161 (real)" check_python prometheus test_traces.py
}
make_collector() {
    rm -rf "$cache/collector" && cp -r "$here/collector" "$cache/collector" && cd "$cache/collector" &&
        CGO_ENABLED=0 GOFLAGS='-mod=mod -p=2' timeout 1200 go build -o otelcol .
}
install_collector() {
    venv prometheus || return
    collector=$E2E_COLLECTOR
    if [[ $E2E_COLLECTOR == build ]]; then
        need go && once collector "$here/collector/go.sum" -- in_subshell make_collector || return
        collector=$cache/collector/otelcol
    fi
    "$collector" --version
}
serve_traces() {
    local grpc http
    read -r grpc http < <(free_ports 2)
    cat >"$work/collector.yaml" <<END
receivers: { otlp: { protocols: { grpc: { endpoint: "127.0.0.1:$grpc" }, http: { endpoint: "127.0.0.1:$http" } } } }
exporters: { file: { path: "$work/spans.jsonl", flush_interval: 100ms } }
service:
  pipelines: { traces: { receivers: [otlp], exporters: [file] } }
  telemetry: { metrics: { level: none } }
END
    start collector "$collector" --config "$work/collector.yaml"
    wait_until 30 "$started" "the collector" curl -sS -m 2 -o /dev/null "http://127.0.0.1:$http/" || { show_logs collector; return 1; }
    serve_demo && start_cohere traces-cohere && export E2E_COHERE=$url || return
    start_rerankd traces-grpc "$E2E_DEMO_DATABASE" "$E2E_COHERE" 20s "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$grpc" \
        OTEL_EXPORTER_OTLP_PROTOCOL=grpc OTEL_SERVICE_NAME=by-grpc || return
    export E2E_GRPC=$url
    start_rerankd traces-http "$E2E_DEMO_DATABASE" "$E2E_COHERE" 20s "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$http" \
        OTEL_SERVICE_NAME=by-http OTEL_EXPORTER_OTLP_COMPRESSION=gzip || return
    export E2E_HTTP=$url E2E_SPANS=$work/spans.jsonl
}
