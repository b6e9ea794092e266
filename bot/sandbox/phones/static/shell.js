// The body of a phone: bezel, status bar, app header, scrolling screen, composer, switches.

import { minutes, now } from "./clock.js";
import { h, icon, ICONS } from "./dom.js";

export function phone(root, app) {
  const clock = h("span", { class: "clock" });
  const tick = () => {
    clock.textContent = minutes(now());
  };
  tick();
  setInterval(tick, 1000);
  const screen = h("div", { class: "screen", tabindex: "0" });
  const head = h("div", { class: "app-head" });
  const foot = h("div", { class: "app-foot" });
  const switches = h("div", { class: "switches" });
  const banner = h("div", { class: "banner", hidden: true });
  root.classList.add(app);
  root.append(
    h("div", { class: "frame" },
      h("div", { class: "glass" },
        h("div", { class: "status-bar" }, clock, h("span", { class: "island" }), signal()),
        head, banner, screen, foot)),
    switches);
  return { head, screen, foot, switches, banner };
}

function signal() {
  return h("span", { class: "signal" },
    icon("M2 17h3v4H2zM8 13h3v8H8zM14 9h3v12h-3zM20 4h3v17h-3z", "glyph"),
    h("span", { class: "battery" }));
}

export function composer(placeholder, send) {
  const input = h("input", { type: "text", placeholder, "aria-label": placeholder, maxlength: "1600" });
  return h("form", {
    class: "composer",
    onsubmit: (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text) send(text);
      input.value = "";
    },
  }, input, h("button", { type: "submit", "aria-label": "Send" }, icon(ICONS.send)));
}

export function toggle(label, isOn, change, hint = "") {
  return h("button", {
    type: "button", class: "switch", role: "switch", "aria-checked": String(isOn), title: hint,
    onclick: () => change(!isOn),
  }, h("span", { class: "knob" }), label);
}

export const avatar = (name) =>
  h("span", { class: "avatar", "aria-hidden": "true" }, (name || "?").slice(0, 1).toUpperCase());

export const empty = (title, text) =>
  h("div", { class: "empty" }, h("strong", {}, title), h("span", {}, text));
