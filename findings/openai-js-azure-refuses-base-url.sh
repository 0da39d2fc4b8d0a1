#!/usr/bin/env bash
# openai 7.55.0 (npm): `OPENAI_BASE_URL` in the environment makes `new AzureOpenAI({endpoint})` throw.
#
# The variable is the documented way to send the plain client through a proxy without touching code. In a process that
# also speaks to Azure it breaks the other client, which takes it for the option `baseURL` of its own constructor and
# complains of an argument that nobody gave ("baseURL and endpoint are mutually exclusive"). One would expect a variable
# of the plain client to be ignored here (Azure's endpoint has its own, AZURE_OPENAI_ENDPOINT), or to be named by the error.
source "$(dirname "$0")/lib.sh"

npm_install openai@7.55.0
cat >"$tmp/run.mjs" <<'JS'
import { AzureOpenAI } from 'openai';
try {
    new AzureOpenAI({ endpoint: 'http://127.0.0.1:1', apiKey: 'key', apiVersion: '2024-10-21' });
    console.log('made');
} catch (error) {
    console.log(error.message);
}
JS
saw version "openai $(sed -nE 's/^ *"version": "(.*)",?/\1/p' "$tmp/node_modules/openai/package.json" | head -n1)"
unset OPENAI_BASE_URL
is 'new AzureOpenAI({endpoint}) without the variable' "$(node "$tmp/run.mjs")" made
is 'with OPENAI_BASE_URL set' "$(OPENAI_BASE_URL=http://127.0.0.1:1/v1 node "$tmp/run.mjs")" \
    'baseURL and endpoint are mutually exclusive'
