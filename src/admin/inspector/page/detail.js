// One search, opened: what came of it in a sentence, its times, its facts, and what became of each candidate.

import { el } from "./dom.js";
import { moves, unscored } from "./moves.js";
import { clock, failed, failure, ms, number, outcome, plural, reason, score } from "./words.js";

/** A probability, in per cent; one that is small or large keeps what tells it from none and from certainty. */
const chance = (p) => `${(p * 100).toFixed(p < 0.01 || p > 0.99 ? 2 : 0)} %`;

/** The first thing to read. */
function sentence(search) {
  const by = search.provider ? `${search.provider}${search.model ? ` (${search.model})` : ""}` : "the provider";
  if (failed(search)) return `The search failed: ${failure(search)}.`;
  if (search.outcome === "kept") return `The database’s order was kept: ${reason(search.reason)}.`;
  const answered = search.lists.flat().filter((hit) => hit.to === "response");
  const first = Math.min(10, answered.length);
  const shadow = search.shadow ? "Behind the response, which was the database’s own, " : "";
  const said = `${plural(search.documents, "document")} ${search.documents === 1 ? "was" : "were"} scored by ${by}`;
  const climb = search.moves.deepest > 9 ? ` The deepest hit that reached the first ten came from place ${search.moves.deepest + 1}.` : "";
  const changed = Math.round((search.moves.top_changed ?? 0) * first);
  const top = search.lists.length !== 1 || first === 0 ? "" : changed === 0
    ? ` The first ${first} are the same as before, whatever their order.`
    : changed === first ? ` None of the first ${first} was among them before.`
    : ` Of the first ${first}, ${number(changed)} ${changed === 1 ? "was" : "were"} not among them before.`;
  const lacking = search.outcome === "partial" ? ` Some hits have no score: ${reason(search.reason)}.` : "";
  const nothing = { keep: "", header: " The response says so.", empty: " The hits of the window were dropped." }[search.nothing_relevant];
  const none = nothing === undefined ? "" : ` Nothing is relevant enough: the best hit is so with a probability of ${chance(search.confidence)}.${nothing}`;
  const text = `${shadow}${said}.${top}${climb}${none}${lacking}`;
  return text[0].toUpperCase() + text.slice(1);
}

function times(timings) {
  const rest = Math.max(0, timings.total - timings.upstream - timings.rerank);
  const parts = [["database", timings.upstream, "upstream"], ["rerank", timings.rerank, "rerank"], ["rerankd itself", rest, "rest"]];
  const whole = Math.max(timings.total, timings.upstream + timings.rerank, 0.001);
  const bar = el("div", { class: "times-bar", "aria-hidden": "true" });
  const list = el("dl", { class: "times" });
  for (const [name, value, kind] of parts) {
    const part = el("span", { class: kind });
    part.style.setProperty("flex-grow", value / whole);
    bar.append(part);
    list.append(el("div", { class: kind }, el("dt", { text: name }), el("dd", { text: ms(value) })));
  }
  list.append(el("div", { class: "total" }, el("dt", { text: "in all" }), el("dd", { text: ms(timings.total) })));
  return el("div", { class: "timing" }, el("h4", { text: "Time" }), bar, list);
}

function facts(search) {
  const asked = search.limit === null ? null : `${plural(search.limit, "hit")}${search.offset ? ` from place ${search.offset + 1}` : ""}`;
  const batch = search.searches > 1 ? `${search.search + 1} of ${search.searches} in one request` : null;
  const sample = search.sample !== null && search.sample < 1 ? `, ${number(search.sample * 100)} % of queries` : "";
  const all = [
    ["Time", new Date(search.time_ms).toLocaleString([], { hour12: false })],
    ["Operation", `${search.dialect} ${search.operation}`],
    ["Tenant", search.tenant],
    ["Status", search.status],
    ["Search", batch],
    ["Query text from", search.query_source],
    ["Asked for", asked],
    ["Database was asked for", search.widened_to === null ? null : plural(search.widened_to, "hit")],
    ["Window", search.window === null ? null : `the best ${number(search.window)}`],
    ["Scored by", search.provider ? `${search.provider}${search.model ? `, ${search.model}` : ""}` : null],
    ["Scores from the cache", search.cache_lookups ? `${search.cache_hits} of ${search.cache_lookups}` : null],
    ["Without a score", search.unscored ? plural(search.unscored, "hit") : null],
    ["Best hit is relevant", search.confidence === null ? null : `with a probability of ${chance(search.confidence)}`],
    ["Mean move", search.moves.mean_distance === null ? null : `${number(search.moves.mean_distance)} places`],
    ["Mode", search.mode === null ? null : `${search.mode}${sample}`],
    ["Trace", search.trace_id],
  ];
  const list = el("dl", { class: "facts" });
  for (const [name, value] of all) {
    if (value) list.append(el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
  }
  return list;
}

function candidate(hit, capture) {
  const went = hit.to === "response" ? `to place ${hit.place + 1}` : hit.to === "off_page"
    ? `to place ${hit.place + 1}, which is not on the page that was asked for` : "dropped: its score is below the floor";
  const scored = hit.relevance === null ? `none: ${unscored(hit)}`
    : `${score(hit.relevance)}, ${hit.scored_by === "cache" ? "from the cache" : "asked for just then"}`;
  const rows = [["Title", hit.title], ["Id", hit.id || "unknown"], ["Index", hit.index], ["Moved", `from place ${hit.from + 1} ${went}`],
    ["Database’s score", score(hit.database_score)], ["Relevance", scored],
    ["Boosted to", hit.boosted ? `${hit.boosted.score.toFixed(5)} (${hit.boosted.parts
      .map((part) => `${part < 0 ? "" : "+"}${part.toFixed(5)}`).join(", ")})` : null],
    ["Best passage", hit.passage ? `${hit.passage.length} characters from ${hit.passage.offset} on` : null]];
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) {
    if (value) list.append(el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
  }
  const document = hit.document
    ? el("div", {}, el("h4", { text: hit.document.cut ? "Document, cut to what was sent" : "Document" }), el("pre", { class: "document", text: hit.document.text }))
    : el("p", { class: "note", text: capture === "text" ? "There is no document of this hit." : "Its text is not kept: inspector.capture is " + capture + "." });
  return [list, document];
}

/** The whole of an opened search, as the API returns it. */
export function detail(search, capture, close) {
  const { word, kind } = outcome(search);
  const names = search.collections ? search.collections.join(", ") : search.dialect;
  const title = el("h3", { id: "opened-title", tabindex: "-1", text: names });
  const query = search.query === null ? null : el("p", { class: "query" }, el("span", { class: "unseen", text: "Query: " }), el("q", { text: search.query }));
  const parts = [
    el("div", { class: "detail-head" },
      el("span", { class: `badge ${kind}`, text: word }), title,
      el("span", { class: "when", text: clock(search.time_ms) }),
      el("button", { type: "button", class: "plain", id: "close", onclick: close, text: "Close" })),
    query,
    el("p", { class: "sentence", text: sentence(search) }),
    times(search.timings_ms),
    facts(search),
  ];
  search.lists.forEach((list, at) => {
    if (search.lists.length > 1) parts.push(el("h4", { class: "group", text: `Group ${at + 1} of ${search.lists.length}` }));
    parts.push(moves(list, search.outcome === "kept", (hit) => candidate(hit, capture)));
  });
  if (search.lists.length) parts.push(el("p", { class: "note", text: "Choose a candidate on the right to see more of it." }));
  if (!search.lists.length) {
    const why = failed(search) ? "There are no hits to show." : "The hits were not looked into, so there is no order to show.";
    parts.push(el("p", { class: "note", text: why }));
  }
  return parts;
}
