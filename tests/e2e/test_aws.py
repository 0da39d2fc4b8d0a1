"""opensearch-py with its signers for AWS, through rerankd, which signs anew; the stand-in for the domain verifies with botocore."""

import asyncio
import json
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials
from opensearchpy import (
    AsyncHttpConnection,
    AsyncOpenSearch,
    AWSV4SignerAsyncAuth,
    AWSV4SignerAuth,
    OpenSearch,
    RequestsAWSV4SignerAuth,
    RequestsHttpConnection,
    Urllib3AWSV4SignerAuth,
    Urllib3HttpConnection,
)
from opensearchpy.exceptions import AuthorizationException

import corpus
from support import DIRECT, PROXY, check_kept, http, needs_database, reranked

pytestmark = needs_database

OWN = Credentials("AKIDOFCLIENT", "client/K7MDENG+bPxRfiCYEXAMPLEKEYclientkey")
QUERY = corpus.QUERIES[0]
SIGNERS = {
    "AWSV4SignerAuth": (AWSV4SignerAuth, RequestsHttpConnection),
    "RequestsAWSV4SignerAuth": (RequestsAWSV4SignerAuth, RequestsHttpConnection),
    "Urllib3AWSV4SignerAuth": (Urllib3AWSV4SignerAuth, Urllib3HttpConnection),
}
SEARCH = {"query": {"match": {"body": corpus.FIRST_STAGE}}, "size": 10}
ASKING = {"x-rerank-query": quote(QUERY)}
ORDER = list(corpus.documents())


def client(url: str, signer: str, service: str = "es") -> OpenSearch:
    auth, connection = SIGNERS[signer]
    return OpenSearch(hosts=[url], http_auth=auth(OWN, "eu-west-1", service), connection_class=connection, max_retries=0)


def ids(response: dict) -> list[str]:
    return [hit["_id"] for hit in response["hits"]["hits"]]


def standin() -> dict:
    return json.loads(http("GET", DIRECT + "/_standin").body)


def names_of(headers: dict) -> str:
    return json.dumps(headers).lower()


@pytest.mark.parametrize("signer", SIGNERS)
def test_the_stand_in_takes_what_the_client_itself_has_signed(signer):
    assert ids(client(DIRECT, signer).search(index="notes", body=SEARCH)) == ORDER[:10]
    assert standin()["key"] == "AKIDOFCLIENT"


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_signed_search_is_reranked_and_signed_anew(signer):
    response = client(PROXY, signer).search(index="notes", body=SEARCH, headers=ASKING)
    assert ids(response) == reranked(ORDER, QUERY)[:10]
    said = standin()
    assert (said["key"], said["service"], said["region"]) == ("AKIDEXAMPLE", "es", "eu-west-1")
    assert "akidofclient" not in names_of(said["headers"]) and "x-rerank" not in names_of(said["headers"])


@pytest.mark.parametrize("signer", SIGNERS)
def test_whatever_else_the_client_calls_is_signed_anew(signer):
    proxied = client(PROXY, signer)
    proxied.indices.create(index="notes", body={"settings": {}})
    proxied.bulk(body=[line for n in range(500) for line in ({"index": {"_index": "notes"}}, corpus.document(n + 1))])
    proxied.indices.refresh(index="notes,other-*")
    proxied.indices.exists(index="<logs-{now/d}>")
    proxied.count(index="notes", params={"q": 'title:"a b+c" AND (x OR y)', "default_operator": "AND"})
    proxied.delete(index="notes", id="a/b c+é")
    assert standin()["key"] == "AKIDEXAMPLE"


def test_the_async_client_too():
    async def search():
        auth = AWSV4SignerAsyncAuth(OWN, "eu-west-1", "es")
        async with AsyncOpenSearch(hosts=[PROXY], http_auth=auth, connection_class=AsyncHttpConnection) as proxied:
            return await proxied.search(index="notes", body=SEARCH, headers=ASKING)

    assert ids(asyncio.run(search())) == reranked(ORDER, QUERY)[:10]


def test_walking_pages_visits_every_hit_once():
    proxied, seen = client(PROXY, "RequestsAWSV4SignerAuth"), []
    for first in range(0, corpus.COUNT, 10):
        seen += ids(proxied.search(index="notes", body={**SEARCH, "from": first}, headers=ASKING))
    assert seen == reranked(ORDER, QUERY)


def test_who_does_not_sign_is_refused_in_the_shape_that_the_client_reads():
    unsigned = OpenSearch(hosts=[PROXY], max_retries=0)
    with pytest.raises(AuthorizationException) as refused:
        unsigned.search(index="notes", body=SEARCH)
    assert refused.value.status_code == 403 and "signed for AWS" in str(refused.value.info)


def test_without_the_setting_a_search_is_forwarded_untouched():
    import os

    plain = os.environ["E2E_UNSIGNED"]
    # The signature is for the host that the database sees.
    auth = RequestsAWSV4SignerAuth(OWN, "eu-west-1", "es")
    host = DIRECT.removeprefix("http://")
    proxied = OpenSearch(hosts=[plain], http_auth=auth, connection_class=RequestsHttpConnection, headers={"host": host})
    assert ids(proxied.search(index="notes", body=SEARCH, headers=ASKING)) == ORDER[:10]
    assert standin()["key"] == "AKIDOFCLIENT"
    check_kept(http("POST", plain + "/notes/_search", SEARCH, {"authorization": "AWS4-HMAC-SHA256 Signature=0"}).headers, "unsupported")
