// The tiles and cards: the active configuration and the current state.

import { byId, el } from "./dom.js";
import { age, bytes, cause, clock, ms, number, percent, plural, reason } from "./words.js";

const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);

/** Of one provider, what stands first: whether it can be used. */
function health(provider) {
  if (provider.lacks_key) return ["no key", "bad"];
  if (!provider.in_use) return ["not in use", "still"];
  if (provider.circuit === "open") return ["circuit open", "bad"];
  if (provider.circuit === "half_open") return ["probing", "fair"];
  if (provider.spend.some((one) => one.left !== null && one.left <= 0)) return ["budget spent", "bad"];
  return ["usable", "good"];
}

function tile(name, value, note, kind = "") {
  return el("li", { class: `tile ${kind}` }, el("span", { class: "tile-name", text: name }),
    el("strong", { text: value }), el("span", { class: "tile-note", text: note }));
}

/** How it stands with the databases, by the last exchange with each; earlier failures are shown beside it. */
function upstream(state) {
  const failing = state.listeners.filter((one) => one.failing);
  const failures = sum(state.upstream.failed_by_cause);
  if (failing.length) {
    const which = state.listeners.length > 1 ? `${failing.map((one) => one.upstream).join(", ")}: ` : "";
    return tile("Upstream", "failing", `${which}${cause(failing[0].failing.cause)}, since ${clock(failing[0].failing.since)}`, "bad");
  }
  if (!state.ready.ready) return tile("Upstream", "not ready", state.ready.missing.join(", "), "bad");
  const asked = sum(state.upstream.searches_by_status) + sum(state.upstream.forwarded_by_status) > 0;
  return tile("Upstream", asked ? "fine" : "not asked yet", failures ? `${plural(failures, "failure")} so far` : asked ? "no failure so far" : "no request so far");
}

export function tiles(state) {
  const { rates, searches, cache, providers } = state;
  const perSecond = (value) => (rates ? `${number(Math.round(value * 10) / 10)} /s` : "–");
  const done = searches.by_outcome;
  const used = providers.filter((one) => one.in_use);
  const usable = used.filter((one) => health(one)[1] === "good").length;
  return [
    tile("Reranked", perSecond(rates?.applied), `${number(done.applied || 0)} so far`),
    tile("In part", perSecond(rates?.partial), `${number(done.partial || 0)} so far`, done.partial ? "" : "zero"),
    tile("Order kept", perSecond(rates?.kept), `${number(done.kept || 0)} so far`),
    tile("Forwarded", perSecond(rates?.forwarded), `${number(sum(state.upstream.forwarded_by_status))} so far`),
    tile("Cache hits", percent(cache.hit_ratio), `${plural(cache.entries, "score")} held`),
    tile("Providers usable", `${usable} of ${used.length}`, used.map((one) => one.name).join(", ") || "none is named", usable ? "" : "bad"),
    upstream(state),
  ];
}

function card(title, ...children) {
  return el("section", { class: "card" }, el("h3", { text: title }), ...children);
}

function pairs(rows) {
  const list = el("dl", { class: "facts" });
  for (const [name, value] of rows) {
    if (value !== null && value !== undefined && value !== "") {
      list.append(el("div", {}, el("dt", { text: name }), el("dd", { text: value })));
    }
  }
  return list;
}

function meter(name, left, limit) {
  const bar = el("span", { class: "meter", "aria-hidden": "true" }, el("span"));
  bar.firstChild.style.setProperty("--share", limit > 0 ? Math.max(0, Math.min(1, left / limit)) : 0);
  return el("div", { class: "budget" }, el("span", { text: name }), bar, el("span", { class: "figure", text: `${number(left)} of ${number(limit)} left` }));
}

function provider(one) {
  const [word, kind] = health(one);
  const failed = Object.entries(one.calls_failed).map(([status, count]) => `${status} ${number(count)}`).join(", ");
  const shed = Object.entries(one.calls_shed).map(([status, count]) => `${status} ${number(count)}`).join(", ");
  return el("div", { class: "provider" },
    el("h4", {}, el("span", { text: one.name }), el("span", { class: `badge ${kind}`, text: word })),
    pairs([
      ["Kind", one.model ? `${one.kind}, ${one.model}` : one.kind],
      ["Circuit", one.circuit?.replace("_", " ")],
      ["Calls", `${number(one.calls_ok)} went well${one.in_flight ? `, ${number(one.in_flight)} in flight` : ""}`],
      ["Failed", failed],
      ["Not made", shed],
      ["Mean call", one.mean_call_ms === null ? null : ms(one.mean_call_ms)],
      ["Limits", [one.limits.requests_per_minute && `${number(one.limits.requests_per_minute)} calls a minute`,
        one.limits.max_concurrency && `${number(one.limits.max_concurrency)} at a time`].filter(Boolean).join(", ")],
    ]),
    ...one.spend.map((budget) => meter(`${budget.unit.replace("_", " ")} this ${budget.window}`, budget.left ?? 0, budget.limit)));
}

function effects({ on, shadow }) {
  const rows = [
    ["Searches", (one) => number(one.searches)],
    ["Mean move, in places", (one) => number(one.mean_displacement)],
    ["First ten in common", (one) => percent(one.mean_top10_overlap)],
    ["Depth of the deepest climber", (one) => number(one.mean_promotion_depth)],
    ["Rerank step", (one) => ms(one.mean_rerank_ms)],
  ];
  const head = el("tr", {}, el("td"), el("th", { scope: "col", text: "responses" }), el("th", { scope: "col", text: "shadow" }));
  const body = rows.map(([name, value]) => el("tr", {}, el("th", { scope: "row", text: name }), el("td", { text: value(on) }), el("td", { text: value(shadow) })));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...body));
}

function reasons(counts) {
  const rows = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return el("p", { class: "note", text: "No order has been kept since the start." });
  return el("ul", { class: "reasons" }, ...rows.map(([word, count]) =>
    el("li", {}, el("span", { class: "count", text: number(count) }), el("span", {}, el("code", { text: word }), ` ${reason(word)}`))));
}

const share = (value) => (value < 1 ? `, ${percent(value)} of queries` : "");

function configuration(state) {
  const { configuration: config, rerank } = state;
  const budgets = state.providers.flatMap((one) => one.spend.map((budget) => `${one.name}: ${number(budget.limit)} ${budget.unit.replace("_", " ")} a ${budget.window}`));
  const routes = state.routes.map((route) => `${route.collection}: ${route.rerank.mode}${share(route.rerank.sample)}, window ${route.rerank.window}`);
  return pairs([
    ["In force", `${config.hash}, for ${age(config.age_seconds)}`],
    ["Mode", `${rerank.mode}${share(rerank.sample)}`],
    ["Collections", rerank.collections.join("  ")],
    ["Window", `the best ${number(rerank.window)}`],
    ["Deadline", ms(rerank.deadline_ms)],
    ["Floor", rerank.min_score === null ? null : number(rerank.min_score)],
    ["Budgets", budgets.join("; ") || "none set"],
    ["Routes", routes.join("; ")],
  ]);
}

export function cards(state) {
  const { cache, upstream } = state;
  const counts = (all) => Object.entries(all).map(([word, count]) => `${word} ${number(count)}`).join(", ");
  return [
    card("Providers", ...state.providers.map(provider)),
    card("What reranking does", effects(state.effects)),
    card("Why orders were kept", reasons(state.searches.kept_because)),
    card("Configuration", configuration(state)),
    card("Upstream", pairs([
      ...state.listeners.map((one) => [one.listen, `${one.upstream} (${one.dialect})`]),
      ...state.listeners.filter((one) => one.failing).map(({ upstream: url, failing }) => [state.listeners.length > 1 ? `${url} fails` : "Fails",
        `${cause(failing.cause)}: ${plural(failing.requests, "request")} since ${clock(failing.since)}, the last at ${clock(failing.last)}`]),
      ["Searches answered", counts(upstream.searches_by_status)],
      ["Forwarded", counts(upstream.forwarded_by_status)],
      ["Failed so far", counts(upstream.failed_by_cause)],
      ["Mean search", ms(upstream.mean_search_ms)],
    ])),
    card("Score cache", pairs([
      ["Scores", number(cache.entries)],
      ["Memory", cache.max_bytes ? `${bytes(cache.bytes)} of ${bytes(cache.max_bytes)}` : "switched off"],
      ["Hits", `${number(cache.hits)} of ${number(cache.hits + cache.misses)} look-ups`],
      ["Second tier", cache.redis ? "Redis" : null],
    ])),
  ];
}

const CAPTURE = {
  scores: ["", "Only ids, places and scores are kept here: no query and no document text (inspector.capture: scores)."],
  text: ["warn", "The text of queries and documents is kept and shown here, for the last searches (inspector.capture: text)."],
  off: ["", "Nothing is recorded (inspector.capture: off); only the state below is live."],
};

/** What stands on top of the page. */
export function head(state) {
  const { rerank, configuration: config, records } = state;
  byId("mode").textContent = `mode ${rerank.mode}${share(rerank.sample)}, window ${rerank.window}`;
  const [kind, text] = CAPTURE[records.capture] || ["", records.capture];
  const banner = byId("capture");
  banner.className = `banner ${kind}`;
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = false;
  const troubles = [
    config.passthrough && "The configuration at start was bad: this is a plain proxy, nothing is reranked. The log says why.",
    config.change_rejected && "A later change of the configuration was rejected, the one before is active. The log says why.",
    !state.providers.some((one) => one.in_use && !one.lacks_key) && "No provider can be used: set CO_API_KEY, or name another one in rerank.providers.",
  ].filter(Boolean).join(" ");
  const trouble = byId("trouble");
  trouble.hidden = !troubles;
  if (trouble.textContent !== troubles) trouble.textContent = troubles;
  byId("held").textContent = records.capture === "off" ? "" : `${plural(records.held, "search", "searches")} held, ${bytes(records.bytes)}.`
    + (records.left_out ? ` ${number(records.left_out)} left out: at most ${records.most_per_second} a second are recorded.` : "");
  byId("version").textContent = `rerankd ${state.version}`;
}
