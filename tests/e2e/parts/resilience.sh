# Provider, Redis and upstream are killed under searches and come back.

part_resilience() {
    tell "installing Redis" install_resilience || return
    export E2E_RERANKD=$rerankd
    tell "searches through every outage (real Redis, stand-ins for the others)" check_python fleet test_resilience.py
}
install_resilience() { venv fleet && redis_server; }
