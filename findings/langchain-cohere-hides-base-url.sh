#!/usr/bin/env bash
# langchain-cohere 0.6.0 with cohere 5.21.1 (PyPI): `CO_API_URL` moves Cohere's own client and not the one that LangChain makes
# of it.
#
# Cohere's client reads `CO_API_URL` as the default of its argument `base_url`. langchain-cohere always gives that argument,
# as None where the caller named nothing, and its client then goes to the production address. One would expect the wrapper
# to leave alone what it was not told. A program whose `cohere.Client` talks to a proxy talks past it as soon as the same
# call is made through LangChain, with the same variable set and no word of it.
source "$(dirname "$0")/lib.sh"

pip_install langchain-cohere==0.6.0 cohere==5.21.1
cat >"$tmp/run.py" <<'PY'
import cohere
from langchain_cohere import CohereEmbeddings


def address(client):
    return client._client_wrapper.get_base_url()


print(address(cohere.Client(api_key="key")))
print(address(CohereEmbeddings(model="embed-v4.0", cohere_api_key="key").client))
PY
saw version "langchain-cohere $("$tmp/venv/bin/python" -c 'import importlib.metadata as m; print(m.version("langchain-cohere"), "cohere", m.version("cohere"))')"
addresses=$(CO_API_URL=http://127.0.0.1:1/proxy "$tmp/venv/bin/python" "$tmp/run.py" 2>"$tmp/err") || { cat "$tmp/err"; exit 1; }
is 'with CO_API_URL set, cohere.Client talks to' "$(sed -n 1p <<<"$addresses")" http://127.0.0.1:1/proxy
is 'and the client that CohereEmbeddings made' "$(sed -n 2p <<<"$addresses")" https://api.cohere.com
