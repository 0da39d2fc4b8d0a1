// Small helpers. Text always goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes, properties (`text`, `class`, `on…`) and children. */
export function el(tag, options = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element of SVG. */
export function svg(tag, attributes = {}) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** One tab stop for a list of buttons; the arrow keys, Home and End go through it. */
export function rove(list, selector) {
  const all = () => [...list.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
  const only = (chosen) => all().forEach((one) => (one.tabIndex = one === chosen ? 0 : -1));
  list.addEventListener("focusin", (event) => {
    const one = event.target.closest(selector);
    if (one) only(one);
  });
  list.addEventListener("keydown", (event) => {
    const buttons = all();
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined || !buttons[to]) return;
    event.preventDefault();
    buttons[to].focus();
  });
  // While nobody is in the list, its tab stop is what is open, or the first.
  return () => {
    if (list.contains(document.activeElement)) return;
    const buttons = all();
    only(buttons.find((one) => one.getAttribute("aria-expanded") === "true") ?? buttons[0]);
  };
}

export async function getJson(path) {
  const response = await fetch(path, { headers: { accept: "application/json" } });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `${path} answered ${response.status}`);
  return body;
}
