"""nginx, HAProxy and Envoy in front of one database that speaks gRPC, set as `proxies.py` sets them for HTTP/1."""

import json
from pathlib import Path

from process import Process, free_port
from proxies import envoy_config
from tools import Tools

NGINX = """
worker_processes {workers};
daemon off;
pid {folder}/nginx-grpc.pid;
error_log {folder}/nginx-grpc-errors.log error;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  client_body_buffer_size 1m;
  client_max_body_size 64m;
  client_body_temp_path {folder}/nginx-grpc-body;
  proxy_temp_path {folder}/nginx-grpc-proxy;
  fastcgi_temp_path {folder}/nginx-grpc-fastcgi;
  uwsgi_temp_path {folder}/nginx-grpc-uwsgi;
  scgi_temp_path {folder}/nginx-grpc-scgi;
  upstream database {{
    server 127.0.0.1:{database};
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }}
  server {{
    listen 127.0.0.1:{port} http2 reuseport backlog=4096;
    location / {{
      grpc_pass grpc://database;
      grpc_buffer_size 16k;
    }}
  }}
}}
"""

# With a larger `tune.h2.initial-window-size` this version resets a stream now and then, where responses are of 100 kB.
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
  option http-no-delay
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} proto h2 backlog 4096
  default_backend database
backend database
  server database 127.0.0.1:{database} proto h2 pool-max-conn -1 pool-purge-delay 1h
"""


def nginx(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = folder / "nginx-grpc.conf"
    config.write_text(NGINX.format(workers=workers, folder=folder, database=database, port=port))
    return Process([tools.nginx, "-p", folder, "-c", config], port, folder / "nginx-grpc.log")


def haproxy(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = folder / "haproxy-grpc.cfg"
    config.write_text(HAPROXY.format(workers=workers, database=database, port=port))
    return Process([tools.haproxy, "-db", "-f", config], port, folder / "haproxy-grpc.log")


def envoy(tools: Tools, folder: Path, database: int, workers: int) -> Process:
    port = free_port()
    config = envoy_config(port, database)
    config["static_resources"]["clusters"][0]["typed_extension_protocol_options"] = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    file = folder / "envoy-grpc.json"
    file.write_text(json.dumps(config))
    command = [tools.envoy, "-c", file, "--concurrency", workers, "--log-level", "error", "--disable-hot-restart"]
    return Process(command, port, folder / "envoy-grpc.log")
