// Keeps the page in step with the program: events in, rows and cards out.

import { byId, el, getJson, rove } from "./dom.js";
import { detail } from "./detail.js";
import { cards, head, tiles } from "./state.js";
import { clock, failed, failure, ms, number, outcome, plural, reason } from "./words.js";

const rows = byId("rows");
const reroveRows = rove(rows, "button");
/** By number: the search and its row. */
const known = new Map();
let capture = null;
let keep = 100;
let paused = false;
let waiting = [];
let opened = null;

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function row(search) {
  const { word, kind } = outcome(search);
  const names = search.collections ? search.collections.join(", ") : search.dialect;
  const why = failed(search) ? failure(search) : search.outcome === "kept" ? reason(search.reason) : null;
  const parts = [];
  if (search.candidates) parts.push(plural(search.candidates, "hit"));
  if (search.moves.mean_distance !== null) parts.push(`moved ${number(search.moves.mean_distance)} places`);
  if (search.cache_lookups) parts.push(`cache ${search.cache_hits}/${search.cache_lookups}`);
  parts.push(ms(search.timings_ms.total));
  const button = el("button", { type: "button", tabindex: "-1", "data-number": search.number, "aria-expanded": "false",
    "aria-controls": "detail", onclick: () => go(search.number) },
    el("span", { class: "row-head" },
      el("span", { class: `badge ${kind}`, text: word }),
      el("span", { class: "row-name", text: names }),
      el("span", { class: "when", text: clock(search.time_ms) })),
    search.query === null ? null : el("span", { class: "query", text: cut(search.query, 140) }),
    why === null || (search.query !== null && !failed(search)) ? null : el("span", { class: "why", text: why }),
    el("span", { class: "row-facts", text: parts.join(" · ") }));
  return el("li", { "data-outcome": failed(search) ? "failed" : search.outcome === "kept" ? "kept" : "reranked" }, button);
}

/** Adds one search in its place; rows that are there stay as they are, so that focus and reading stay too. */
function add(search, fresh) {
  if (known.has(search.number)) return;
  const item = row(search);
  if (fresh) item.classList.add("fresh");
  known.set(search.number, { search, item });
  const next = [...rows.children].find((other) => Number(other.firstChild.dataset.number) < search.number);
  rows.insertBefore(item, next ?? null);
}

/** As the program keeps them: so many that went through ranking, and as many others. */
function trim() {
  const numbers = [...known.keys()].sort((a, b) => b - a);
  for (const ranked of [true, false]) {
    numbers.filter((one) => known.get(one).search.candidates > 0 === ranked).slice(keep).forEach(remove);
  }
  byId("empty").hidden = known.size > 0;
  reroveRows();
}

function remove(number) {
  known.get(number)?.item.remove();
  known.delete(number);
}

/** Numbers of searches that came since the list was last asked for: the response may not know of them. */
let since = new Set();

async function refresh() {
  const later = (since = new Set());
  const all = await getJson("/api/searches");
  const numbers = new Set(all.searches.map((search) => search.number));
  for (const number of [...known.keys()]) {
    if (!later.has(number) && (!numbers.has(number) || all.capture !== capture)) remove(number);
  }
  capture = all.capture;
  waiting = waiting.filter((search) => later.has(search.number) && !numbers.has(search.number));
  all.searches.forEach((search) => add(search, false));
  if (opened !== null) mark(opened);
  trim();
}

function arrived(search) {
  since.add(search.number);
  if (paused) {
    waiting.push(search);
    byId("pause").textContent = `Resume, ${waiting.length} new`;
    return;
  }
  add(search, true);
  trim();
  tell(search);
}

let untold = 0;
let telling = null;
/** For who does not see the list: at most a sentence every five seconds. */
function tell(search) {
  untold += 1;
  telling ??= setTimeout(() => {
    byId("news").textContent = untold === 1 ? `New search: ${outcome(search).word}` : plural(untold, "new search", "new searches");
    [untold, telling] = [0, null];
  }, 1000);
}

// --- one search ---

const go = (number) => { if (location.hash === `#search-${number}`) open(number); else location.hash = `search-${number}`; };

function mark(number) {
  for (const one of rows.querySelectorAll("[aria-expanded=true]")) one.setAttribute("aria-expanded", "false");
  known.get(number)?.item.firstChild.setAttribute("aria-expanded", "true");
}

async function open(number) {
  opened = number;
  mark(number);
  const pane = byId("opened");
  try {
    const search = await getJson(`/api/searches/${number}`);
    if (opened !== number) return;
    pane.replaceChildren(...detail(search, capture, close).filter(Boolean));
  } catch (error) {
    pane.replaceChildren(el("h3", { id: "opened-title", tabindex: "-1", text: `Search ${number}` }), el("p", { text: error.message }),
      el("button", { type: "button", class: "plain", onclick: close, text: "Close" }));
  }
  byId("placeholder").hidden = true;
  pane.hidden = false;
  document.body.classList.add("is-open");
  byId("opened-title").focus();
}

function close() {
  const row = known.get(opened)?.item.firstChild;
  history.pushState(null, "", location.pathname);
  hide();
  (row ?? byId("searches")).focus();
}

function hide() {
  [opened, byId("opened").hidden, byId("placeholder").hidden] = [null, true, false];
  document.body.classList.remove("is-open");
  mark(null);
}

function follow() {
  const number = location.hash.match(/^#search-(\d+)$/)?.[1];
  if (number) open(Number(number)); else if (opened !== null && location.hash === "") hide();
}

// --- the state ---

let lastState = "";
function show(state) {
  head(state);
  keep = state.records.keep;
  byId("tiles").replaceChildren(...tiles(state));
  // Cards change seldom; left alone they keep a reader's place and selection.
  const { time, rates, configuration, ready, ...slow } = state;
  const text = JSON.stringify({ ...slow, age: Math.floor(configuration.age_seconds / 60), hash: configuration.hash });
  if (text !== lastState) byId("cards").replaceChildren(...cards(state));
  lastState = text;
  if (capture !== null && state.records.capture !== capture) refresh().catch(() => {}).then(() => { if (opened !== null) open(opened); });
}

// --- events ---

function live(text, kind) {
  const place = byId("live");
  place.className = `live ${kind}`;
  if (place.textContent !== text) place.textContent = text;
}

function listen() {
  const events = new EventSource("/api/events");
  events.addEventListener("open", () => {
    live(paused ? "Paused" : "Live", paused ? "fair" : "good");
    refresh().catch((error) => live(error.message, "bad"));
  });
  events.addEventListener("state", (event) => show(JSON.parse(event.data)));
  events.addEventListener("search", (event) => arrived(JSON.parse(event.data)));
  events.addEventListener("missed", () => refresh().catch(() => {}));
  events.addEventListener("error", async () => {
    live("No connection; trying again", "bad");
    if (events.readyState !== EventSource.CLOSED) return;
    // Rejected for good, as when too many pages are open: the state without events, and another try later.
    await Promise.all([getJson("/api/state").then(show), refresh()]).catch(() => {});
    setTimeout(listen, 5000);
  });
}

byId("pause").addEventListener("click", () => {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  byId("pause").textContent = paused ? "Resume" : "Pause";
  live(paused ? "Paused" : "Live", paused ? "fair" : "good");
  if (!paused) {
    waiting.forEach((search) => add(search, true));
    waiting = [];
    trim();
  }
});
for (const choice of document.querySelectorAll("[name=filter]")) {
  choice.addEventListener("change", () => { rows.dataset.show = choice.value; reroveRows(); });
}
byId("config").addEventListener("toggle", async (event) => {
  if (event.target.open) byId("config-text").textContent = await fetch("/api/config").then((response) => response.text());
});
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => { if (event.key === "Escape" && opened !== null) close(); });

listen();
follow();
