// Builds elements; text always goes in as text, never as markup.

export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(path, className = "icon", box = "0 0 24 24") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", box);
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  send: "M3.4 20.4 21 12 3.4 3.6 3.4 10.1 15 12 3.4 13.9z",
  back: "M15 5l-7 7 7 7",
  one: "M2 6.6 5.2 9.8 11.6 2.6",
  two: "M1 6.6 4.2 9.8 10.6 2.6M7 8.8l1 1 6.4-7.2",
  down: "M12 4v12M6.5 11 12 16.5 17.5 11M5 20h14",
  clip: "M7 12.5 13 6.4a3 3 0 0 1 4.3 4.3l-7.5 7.6a5 5 0 0 1-7.1-7.1l7-7",
};

const URL_PATTERN = /https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)]/g;

export function linkify(text, openUrl) {
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(URL_PATTERN)) {
    parts.push(text.slice(last, match.index), link(match[0], match[0], openUrl));
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return parts;
}

export function link(url, label, openUrl, className = "") {
  return h("a", {
    href: url, class: className, target: "_blank", rel: "noopener noreferrer",
    onclick: (event) => { if (openUrl(url)) event.preventDefault(); },
  }, label);
}

// Keeps a scrolling list at its end, through new messages, late pictures and resizing,
// until a person scrolls up.
const pins = new WeakMap();

function pinned(list) {
  if (pins.has(list)) return pins.get(list);
  const pin = { isAtEnd: true, follow: () => { if (pin.isAtEnd) list.scrollTop = list.scrollHeight; } };
  list.addEventListener("scroll", () => {
    pin.isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  });
  new ResizeObserver(pin.follow).observe(list);
  pins.set(list, pin);
  return pin;
}

export function refill(list, children) {
  const pin = pinned(list);
  const wasAtEnd = pin.isAtEnd;
  list.replaceChildren(...children);
  pin.isAtEnd = wasAtEnd;
  pin.follow();
  for (const image of list.querySelectorAll("img")) image.addEventListener("load", pin.follow);
}

const REASONS = {
  21610: "opted out", 30003: "unreachable", 30005: "unknown number", 30006: "landline",
  30007: "filtered", 63003: "not on WhatsApp", 63013: "content refused", 63016: "outside the 24 h window",
  63024: "not on WhatsApp",
};

export const isLost = (message) => ["failed", "undelivered"].includes(message.status);

export const lossText = (message) =>
  `${message.status} · ${message.error}${REASONS[message.error] ? ` ${REASONS[message.error]}` : ""}`;
