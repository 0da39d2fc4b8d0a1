"""One face for opensearch-py and elasticsearch-py, so that the same tests run through both."""

import os

BACKEND = os.environ.get("E2E_BACKEND", "")
"""`elasticsearch` (9.5), `opensearch` (2.19 with k-NN) or `opensearch3` (3.9), each a real node."""


class OpenSearchClient:
    """opensearch-py hides the response's headers; a connection class that notes them is the documented way in."""

    def __init__(self, url: str):
        from opensearchpy import OpenSearch, Urllib3HttpConnection

        noted = self.noted = {}

        class Noting(Urllib3HttpConnection):
            def perform_request(self, *arguments, **named):
                status, headers, data = super().perform_request(*arguments, **named)
                noted.clear()
                noted.update(headers)
                return status, headers, data

        self.raw = OpenSearch(hosts=[url], connection_class=Noting, max_retries=0)

    def search(self, index, body, headers=None, **named):
        found = self.raw.search(index=index, body=body, headers=headers or {}, **named)
        return found, dict(self.noted)

    def msearch(self, index, lines, headers=None):
        found = self.raw.msearch(body=lines, index=index, headers=headers or {})
        return found, dict(self.noted)

    def errors(self):
        from opensearchpy import TransportError

        return TransportError

    @staticmethod
    def problem(error):
        return error.status_code, error.info


class ElasticsearchClient:
    def __init__(self, url: str):
        from elasticsearch import Elasticsearch

        self.raw = Elasticsearch(url, max_retries=0)

    def search(self, index, body, headers=None, **named):
        found = self.raw.options(headers=headers or {}).search(index=index, body=body, **named)
        return found.body, dict(found.meta.headers)

    def msearch(self, index, lines, headers=None):
        found = self.raw.options(headers=headers or {}).msearch(index=index, searches=lines)
        return found.body, dict(found.meta.headers)

    def errors(self):
        from elasticsearch import ApiError

        return ApiError

    @staticmethod
    def problem(error):
        return error.meta.status, error.body


def client(url: str):
    try:
        return OpenSearchClient(url)
    except ImportError:
        return ElasticsearchClient(url)
