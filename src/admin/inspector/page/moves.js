// The figure of one list: the candidates before and after as two columns, with a line for every move.

import { el, rove, svg } from "./dom.js";
import { reason, score } from "./words.js";

/** Where a hit stands on the right: those of the response, then the rest, then what the floor dropped. */
function after(hits) {
  const rank = { response: 0, off_page: 1, below_floor: 2 };
  const key = (hit) => [rank[hit.to], hit.place ?? hit.from];
  return [...hits].sort((a, b) => key(a)[0] - key(b)[0] || key(a)[1] - key(b)[1]);
}

/** How a hit moved, as a sign and as words. */
function move(hit) {
  if (hit.to === "below_floor") return { sign: "×", kind: "gone", words: "dropped by the floor" };
  const by = hit.from - hit.place;
  if (by > 0) return { sign: `▲${by}`, kind: "up", words: `up ${by}` };
  if (by < 0) return { sign: `▼${-by}`, kind: "down", words: `down ${-by}` };
  return { sign: "=", kind: "same", words: "same place" };
}

const MARKS = { cache: ["cache", "the score was in the cache"], provider: ["fresh", "the provider was asked"] };

/** Why a hit has no relevance score. */
export function unscored(hit) {
  const why = hit.unscored_because;
  if (why === "no_text") return "no text in its document fields";
  if (why === "past_window") return "not among the candidates that are reranked";
  if (why === "excluded") return "its index is excluded: it was not read and keeps its place";
  if (why === "pinned") return "pinned: it holds its place";
  return reason(why);
}

/** What a screen reader says of a candidate. */
function spoken(hit) {
  const place = hit.to === "response" ? `place ${hit.place + 1}` : hit.to === "off_page" ? "not on this page" : "dropped";
  const scored = hit.relevance === null ? `no score: ${unscored(hit)}` : `relevance ${score(hit.relevance)}, ${MARKS[hit.scored_by][1]}`;
  const name = hit.title ? `${hit.title}, id ${hit.id || "unknown"}` : `id ${hit.id || "unknown"}`;
  return `${place}, was ${hit.from + 1}, ${name}, ${scored}`;
}

/** What a hit is called: its title where text is kept, and its id. */
function name(hit) {
  const id = el("span", { class: "id", text: hit.id || "?" });
  return el("span", { class: "name" }, hit.title ? el("span", { class: "title", text: hit.title }) : null, id);
}

function before(hit) {
  return el("li", { class: "hit", "data-from": hit.from },
    el("span", { class: "place", text: hit.from + 1 }),
    name(hit),
    el("span", { class: "score", text: score(hit.database_score), title: "the database's score" }));
}

function moved(hit, best, show) {
  const { sign, kind, words } = move(hit);
  const bar = el("span", { class: "bar" });
  if (hit.relevance !== null) bar.style.setProperty("--share", best > 0 ? Math.max(0, hit.relevance / best) : 0);
  const [mark, title] = hit.relevance === null ? ["none", unscored(hit)] : MARKS[hit.scored_by];
  const button = el("button", {
    type: "button", class: `hit ${kind} ${hit.to}`, "data-from": hit.from, "aria-expanded": "false",
    "aria-label": spoken(hit), onclick: () => show(hit, button),
  },
    el("span", { class: "place", text: hit.to === "below_floor" ? "–" : hit.place + 1 }),
    el("span", { class: `move ${kind}`, text: sign, title: words }),
    name(hit),
    el("span", { class: "scored" }, el("span", { class: "score", text: score(hit.relevance), title: "relevance score" }), bar),
    el("span", { class: `mark ${mark}`, text: mark, title }));
  return el("li", { class: hit.to }, button);
}

const ORDER = { same: 0, down: 1, gone: 2, up: 3 };

/** Draws the lines, in pixels, from the middle of each row on the left to the middle of its row on the right. */
function draw(left, right, lines) {
  const { top, width } = lines.getBoundingClientRect();
  const middle = (row) => {
    const at = row.getBoundingClientRect();
    return Math.round((at.top + at.height / 2 - top) * 10) / 10;
  };
  const rows = new Map([...right.children].map((item) => [item.firstChild.dataset.from, middle(item.firstChild)]));
  const ends = [...lines.children].map((path) => [middle(left.children[path.dataset.at]), rows.get(path.dataset.from)]);
  [...lines.children].forEach((path, at) => {
    const [from, to] = ends[at];
    path.setAttribute("d", `M0 ${from}C${width * 0.55} ${from} ${width * 0.45} ${to} ${width} ${to}`);
  });
}

/** The figure, for `hits` as the API tells them. `more` gives what is shown of a hit that is chosen. */
export function moves(hits, kept, more) {
  const best = Math.max(0, ...hits.map((hit) => hit.relevance ?? 0));
  const figure = el("div", { class: "moves" });
  const [old, now] = [el("ol", { class: "column", "aria-label": "Before: the database's order" }),
    el("ol", { class: "column after", "aria-label": "After" })];
  const lines = svg("svg", { class: "lines", "aria-hidden": "true" });
  const redraw = () => draw(old, now, lines);
  const choose = (hit, button) => {
    const open = button.getAttribute("aria-expanded") === "true";
    for (const one of now.querySelectorAll("[aria-expanded=true]")) {
      one.setAttribute("aria-expanded", "false");
      one.nextSibling?.remove();
    }
    light(figure, open ? null : hit.from, "chosen");
    if (!open) {
      button.setAttribute("aria-expanded", "true");
      button.after(el("div", { class: "candidate" }, ...more(hit)));
    }
    redraw();
  };
  old.append(...hits.map(before));
  now.append(...after(hits).map((hit) => moved(hit, best, choose)));
  // What climbs is drawn last, over the others.
  const drawn = hits.map((hit, at) => ({ hit, at, kind: move(hit).kind })).sort((a, b) => ORDER[a.kind] - ORDER[b.kind]);
  lines.append(...drawn.map(({ hit, at, kind }) =>
    svg("path", { class: `${kind} ${hit.to}`, "data-at": at, "data-from": hit.from })));
  figure.append(
    el("h4", { class: "column-head", text: "Before" }, el("small", { text: " the database’s order" })),
    el("span", { "aria-hidden": "true" }),
    el("h4", { class: "column-head", text: "After" }, el("small", { text: kept ? " unchanged" : " by relevance" })),
    old, el("div", { class: "between" }, lines), now);
  for (const [over, out] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
    figure.addEventListener(over, (event) => light(figure, event.target.closest("[data-from]")?.dataset.from, "lit"));
    figure.addEventListener(out, () => light(figure, null, "lit"));
  }
  // Only once it is laid out is it known where rows stand and which buttons can be seen.
  const rerove = rove(now, "button");
  const watch = new ResizeObserver(() => { redraw(); rerove(); });
  [figure, old, now].forEach((one) => watch.observe(one));
  return figure;
}

/** Marks the row on the left, the line and the row on the right of one hit. */
function light(figure, from, name) {
  for (const one of figure.querySelectorAll(`.${name}`)) one.classList.remove(name);
  if (from === null || from === undefined) return;
  for (const one of figure.querySelectorAll(`[data-from="${from}"]`)) one.classList.add(name);
}
