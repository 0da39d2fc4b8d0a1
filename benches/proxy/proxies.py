"""nginx, HAProxy and Envoy in front of one database, each set for low latency, and rerankd.

Alike for all: kept connections on both sides, no access log, as many workers as rerankd has threads, nothing on disk.
"""

import json
import os
from pathlib import Path

from process import Process, free_port
from tools import Tools

NGINX = """
worker_processes {workers};
daemon off;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-errors.log error;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_body_buffer_size 1m;
  client_max_body_size 64m;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  upstream database {{
    server 127.0.0.1:{database};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  server {{
    listen 127.0.0.1:{port} reuseport backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_buffering on;
    proxy_max_temp_file_size 0;
    proxy_buffer_size 16k;
    proxy_buffers 16 16k;
    proxy_busy_buffers_size 128k;
    location / {{
      proxy_pass http://database;
    }}
    # Below a base path, as rerankd's listener for embedding services; what is streamed is not held up.
    location /openai/ {{
      proxy_pass http://database/;
    }}
    location /openai/v1/chat/ {{
      proxy_pass http://database/v1/chat/;
      proxy_buffering off;
    }}
  }}
}}
"""

HAPROXY = """
global
  nbthread {workers}
  maxconn 4096
  tune.bufsize 65536
defaults
  mode http
  maxconn 4096
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  option http-keep-alive
  option http-no-delay
  option splice-auto
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend database
backend database
  server database 127.0.0.1:{database} pool-max-conn -1 pool-purge-delay 1h
"""


def nginx(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = folder / f"nginx-{port}.conf"
    config.write_text(NGINX.format(workers=workers, folder=folder, database=database, port=port))
    return Process([tools.nginx, "-p", folder, "-c", config], port, folder / f"nginx-{port}.log")


def haproxy(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(workers=workers, database=database, port=port))
    return Process([tools.haproxy, "-db", "-f", config], port, folder / "haproxy.log")


def envoy(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = folder / "envoy.json"
    config.write_text(json.dumps(envoy_config(port, database)))
    command = [tools.envoy, "-c", config, "--concurrency", workers, "--log-level", "error", "--disable-hot-restart"]
    return Process(command, port, folder / "envoy.log")


def envoy_config(port: int, database: int) -> dict:
    route = {
        "name": "all",
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "database", "timeout": "0s"}}],
            }
        ],
    }
    router = {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
        "suppress_envoy_headers": True,
        "dynamic_stats": False,
    }
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "clients",
        "generate_request_id": False,
        "stream_idle_timeout": "0s",
        "route_config": route,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
    }
    many = {"max_connections": 16384, "max_pending_requests": 16384, "max_requests": 16384}
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "clients",
                    "address": address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "database",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "circuit_breakers": {"thresholds": [many]},
                    "load_assignment": {
                        "cluster_name": "database",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(database)}}]}],
                    },
                }
            ],
        }
    }


def address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Rerankd(Process):
    """With its admin listener's port; `config` is more YAML."""

    # Windows as large as the pages; nobody hurries the provider, whose latency is what is measured.
    CONFIG = """
rerank: { deadline: 10s }
routes:
  - { collection: "hits-10-*", window: 10 }
  - { collection: "hits-50-*", window: 50 }
  - { collection: "hits-200-*", window: 200 }
providers: { cohere: { breaker: { slow_ratio: 1 } } }
"""

    def __init__(self, binary: str, folder: Path, database: int, grpc: int | None, provider: int, config: str = ""):
        port, self.admin = free_port(), free_port()
        file = folder / f"rerankd-{port}.yaml"
        file.write_text(self.CONFIG + config)
        self.command = [binary, "serve", "--config", file]
        self.environment = {
            "RERANKD_LISTEN": f"127.0.0.1:{port}",
            "RERANKD_ADMIN__LISTEN": f"127.0.0.1:{self.admin}",
            "RERANKD_UPSTREAM__URL": f"http://127.0.0.1:{database}",
            "CO_API_URL": f"http://127.0.0.1:{provider}",
            "CO_API_KEY": "bench",
        }
        # A build from before there was gRPC would refuse to start.
        if grpc is not None:
            self.environment["RERANKD_UPSTREAM__GRPC_URL"] = f"http://127.0.0.1:{grpc}"
        super().__init__(self.command, port, folder / f"rerankd-{port}.log", self.environment)


def cores() -> int:
    return len(os.sched_getaffinity(0))
