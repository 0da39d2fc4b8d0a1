#!/usr/bin/env bash
# OpenSearch 3.9.0 refuses a multi search whose first header line is empty, which Elasticsearch 9.5.3 takes, and takes an
# empty header at any later place.
#
# An empty line means "no header" in Elasticsearch's documentation. OpenSearch skips empty lines before the first header, so that the
# body is read as the header ("key [size] is not supported in the metadata section"). A proxy that splits a batch into its searches
# and sends the rest on makes a later empty line the first one, and turns a valid batch into a 400. One would expect a line to
# mean the same wherever it stands.
source "$(dirname "$0")/lib.sh"

first=$'\n{"size": 1}\n{}\n{"size": 2}\n'
later=$'{}\n{"size": 1}\n\n{"size": 2}\n'
for name in elasticsearch opensearch-3; do
    database "$name"
    put PUT '/docs/_doc/1?refresh=true' '{"title": "red shoes"}'
    [[ $name == elasticsearch ]] && expected=200 || expected=400
    is 'status, the second header is empty' "$(status POST /docs/_msearch "$later")" 200
    is 'status, the first header is empty' "$(status POST /docs/_msearch "$first")" "$expected"
done
saw 'it says' "$(ask POST /docs/_msearch "$first" | of 'a["error"]["reason"]')"
