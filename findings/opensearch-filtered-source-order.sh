#!/usr/bin/env bash
# OpenSearch 3.9.0: a filtered `_source` has its members in another order than the stored document, even if the filter takes
# them all.
#
# Without a filter `_source` is the bytes that were indexed. With one, even `"_source": ["*"]`, it is parsed into a hash map and
# printed in that map's order. A reranker that adds a field to the client's list (because it needs the text) and
# takes it out again, or anything else that compares or hashes hits of two requests, sees a "different" document; a passage made
# of "the fields as they come" changes its order, and so its score. One would expect the order of the document.
source "$(dirname "$0")/lib.sh"

database opensearch-3
put PUT '/docs/_doc/1?refresh=true' '{"title": "red shoes", "n": 1, "body": "text", "topic": "a", "zeta": 1, "alpha": 2}'
members='" ".join(a["hits"]["hits"][0]["_source"])'
is 'members' "$(ask POST /docs/_search '{}' | of "$members")" 'title n body topic zeta alpha'
answer=$(ask POST /docs/_search '{"_source": ["*"]}')
is_not 'members with "_source": ["*"]' "$(of "$members" <<<"$answer")" 'title n body topic zeta alpha'
is 'how many' "$(of 'len(a["hits"]["hits"][0]["_source"])' <<<"$answer")" 6
is_not 'members with "_source": ["title", "topic"]' \
    "$(ask POST /docs/_search '{"_source": ["title", "topic"]}' | of "$members")" 'title topic'
