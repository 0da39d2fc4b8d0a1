// Plain words for what the API says in its own, and numbers as people read them.

import { REASONS } from "./reasons.js";

export const reason = (word) => REASONS[word] || word;

/** Why an exchange with the database failed. */
const CAUSES = {
  name_not_found: "its name was not found",
  connection_refused: "it refuses connections",
  no_route: "there is no route to it",
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
