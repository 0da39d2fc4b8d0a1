// What is wrong with how a page looks, as a list of sentences. `return problems()` is added by the test.

const RATIO = 4.5; // WCAG 2.2, 1.4.3; 3 for large text
const SMALLEST = 11; // pixels

function color(text) {
  const numbers = text.match(/-?[\d.]+(?:e-?\d+)?%?/g).map(Number);
  if (text.startsWith("color(")) return [...numbers.slice(0, 3).map((part) => part * 255), numbers[3] ?? 1];
  return [...numbers.slice(0, 3), numbers[3] ?? 1];
}
const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
function luminance([r, g, b]) {
  const [R, G, B] = [r, g, b].map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
}
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}
function ancestors(element) {
  const all = [];
  for (let one = element; one; one = one.parentElement) all.push(one);
  return all;
}
function ground(element) {
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  return ancestors(element).reverse().reduce((under, one) => over(color(getComputedStyle(one).backgroundColor), under), canvas);
}
const opacity = (element) => ancestors(element).reduce((all, one) => all * Number(getComputedStyle(one).opacity), 1);
const named = (element) => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> “${element.textContent.trim().slice(0, 40)}”`;

/** Every piece of text that can be seen: its element and where it stands. */
function texts() {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest("title, desc, script, style, noscript, .unseen, .skip")) continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (box.width && box.height) found.push({ element, box });
  }
  return found;
}

function clipped({ element, box }) {
  return ancestors(element).find((one) => {
    const style = getComputedStyle(one);
    if (one === document.documentElement || one === document.body || one.tagName === "svg") return false;
    const edge = one.getBoundingClientRect();
    const sideways = style.overflowX !== "visible" && (box.left < edge.left - 1 || box.right > edge.right + 1);
    const cut = ["hidden", "clip"].includes(style.overflowY) && (box.top < edge.top - 1 || box.bottom > edge.bottom + 1);
    return sideways || cut;
  });
}

function size(element) {
  const own = parseFloat(getComputedStyle(element).fontSize);
  return element.getScreenCTM ? own * Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b) : own;
}

function problems() {
  const found = new Set();
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) found.add(`the page is ${wide} pixels wide`);
  for (const text of texts()) {
    const { element, box } = text;
    const style = getComputedStyle(element);
    if (box.right > innerWidth + 1 || box.left < -1) found.add(`${named(element)} stands beside the page`);
    const by = clipped(text);
    if (by) {
      const [at, edge] = [box, by.getBoundingClientRect()].map((one) => `${one.left.toFixed()}–${one.right.toFixed()} × ${one.top.toFixed()}–${one.bottom.toFixed()}`);
      found.add(`${named(element)} at ${at} is clipped by <${by.tagName.toLowerCase()} class="${by.className}"> at ${edge}`);
    }
    const pixels = size(element);
    if (pixels < SMALLEST) found.add(`${named(element)} has ${pixels.toFixed(1)} pixels`);
    const under = ground(element);
    const ink = color(element instanceof SVGElement ? style.fill : style.color);
    const ratio = contrast(over([ink[0], ink[1], ink[2], ink[3] * opacity(element)], under), under);
    const large = pixels >= 24 || (pixels >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : RATIO) - 0.005) found.add(`${named(element)} has a contrast of ${ratio.toFixed(2)}`);
  }
  return [...found];
}

/** How many lines the figure has, and which do not meet the middle of their rows' edges. */
function lines() {
  const paths = [...document.querySelectorAll(".lines path")];
  const astray = paths.map((path) => {
    const length = path.getTotalLength();
    const at = (one) => path.getPointAtLength(one).matrixTransform(path.getScreenCTM());
    const [from, to] = [at(0), at(length)];
    const old = document.querySelector(`.column:not(.after) [data-from="${path.dataset.from}"]`).getBoundingClientRect();
    const now = document.querySelector(`.after [data-from="${path.dataset.from}"]`).getBoundingClientRect();
    const off = [from.y - (old.top + old.bottom) / 2, to.y - (now.top + now.bottom) / 2, from.x - old.right, to.x - now.left];
    return off.some((one) => Math.abs(one) > 1.5) ? `${path.dataset.from}: ${off.map((one) => one.toFixed(1)).join(", ")}` : null;
  });
  return { count: paths.length, astray: astray.filter(Boolean) };
}
