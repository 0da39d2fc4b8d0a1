// Plain words for what the API says in its own, and numbers as people read them.

/** Why the database's order was kept, or some hits were not scored. */
export const REASONS = {
  off: "reranking is switched off for this search or collection",
  no_query: "the request carries no query text: send x-rerank-query, or rerank.query in the body",
  ambiguous_query: "the query holds several different texts, and none of them is the query",
  stale_query: "the query text came with a vector that is not the one of this request",
  no_text: "the hits have no known text field: name one in rerank.fields",
  no_provider: "no provider can be used: none has a key",
  not_ranked: "there is nothing to rank: the hits are sorted, sampled, scrolled, ranked by chance or popularity, or fewer than two",
  past_window: "the page begins behind the window that is reranked",
  unsupported: "this kind of search is not understood, so it is left alone",
  malformed: "the request or the response could not be read",
  upstream_error: "the database answered with an error, or not at all",
  shadow: "the mode is shadow: the response is the database's own",
  not_sampled: "this query is not of the sample that is reranked",
  margin: "the database's best hit leads so clearly that no call was made",
  deadline: "the scores did not come before the deadline",
  rate_limited: "the provider's rate limit allows no further call now",
  budget: "the budget for the provider is spent",
  circuit_open: "the provider's circuit is open: it failed too often a moment ago",
  overloaded: "as much is in flight or held in memory as may be",
  invalid_request: "the provider rejected the request",
  too_large: "the request or the response is larger than the limits",
  auth: "the provider rejected the API key",
  billing: "the provider wants to be paid first",
  not_found: "the provider knows no such model or address",
  quota_exhausted: "the provider's allowance is used up",
  provider_unavailable: "the provider could not be reached, or failed",
  timeout: "the provider did not answer in time",
  bad_response: "the provider's response could not be used",
};

export const reason = (word) => REASONS[word] || word;

/** Why an exchange with the database failed. */
const CAUSES = {
  name_not_found: "its name was not found",
  connection_refused: "it refuses connections",
  no_route: "no way leads to it",
  connect_timeout: "no connection in time",
  reset: "the connection was cut",
  tls_untrusted: "its certificate is not trusted",
  tls_wrong_name: "its certificate is for another name",
  tls_expired: "its certificate is not valid today",
  tls_ca_as_end_entity: "it shows an authority’s certificate as its own",
  tls_not_spoken: "it does not speak TLS on this port",
  tls_client_certificate: "it wants a client certificate",
  tls: "the TLS handshake failed",
  unreachable: "it cannot be reached",
  broken: "the connection ended before a response",
  silent: "it did not respond in time",
  bad_response: "its response is not HTTP that can be passed on",
  loop: "it leads back to this rerankd",
  request_body: "the client’s body could not be read",
  request_stalled: "the client’s body did not go on in time",
  unforwardable: "the request cannot be forwarded",
  large_head: "the request’s head is too large",
  "5xx": "it responds with errors (5xx)",
};

export const cause = (word) => CAUSES[word] || word;

/** Whether the client got an error, or one search of its batch did. */
export function failed(search) {
  if (search.failure || search.status >= 400) return true;
  return search.outcome === "kept" && search.reason === "upstream_error" && !search.shadow && search.candidates === 0;
}

/** Why it failed, and what the client got. */
export function failure(search) {
  const got = search.status === null || search.status < 400 ? "" : `, the client got ${search.status}`;
  if (search.failure) return `${cause(search.failure)}${got}`;
  return search.status >= 400 ? `the database responded with ${search.status}` : "the database responded to it with an error";
}

/** Of one search: a word for its badge, and the class of its colour. */
export function outcome(search) {
  if (failed(search)) return { word: "failed", kind: "bad" };
  if (search.outcome === "applied") return { word: search.shadow ? "shadow" : "reranked", kind: "good" };
  if (search.outcome === "partial") return { word: "in part", kind: "fair" };
  return { word: "order kept", kind: "still" };
}

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export function number(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 100 || Number.isInteger(value) ? whole.format(value) : fine.format(value);
}

export const percent = (share) =>
  share === null || share === undefined ? "–" : `${number(Math.round(share * 1000) / 10)} %`;

export const ms = (value) => (value === null || value === undefined ? "–" : `${number(value)} ms`);

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${number(value)} ${units[at]}`;
}

/** A database's or relevance score. */
export function score(value) {
  if (value === null || value === undefined) return "–";
  return Math.abs(value) >= 1000 ? whole.format(value) : value.toFixed(Math.abs(value) >= 10 ? 2 : 4);
}

export const clock = (time) => new Date(time).toLocaleTimeString([], { hour12: false });

export function age(seconds) {
  for (const [length, unit] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds >= length) return plural(Math.floor(seconds / length), unit);
  }
  return plural(Math.floor(seconds), "second");
}
