// WhatsApp as its user sees it: template cards, buttons, ticks.

import { time } from "./clock.js";
import { h, icon, ICONS, isLost, link, linkify, lossText, refill } from "./dom.js";
import { avatar, composer, empty, phone, toggle } from "./shell.js";

export function whatsapp(root, act, openUrl) {
  const parts = phone(root, "wa");
  parts.foot.append(composer("Message", (text) => act("whatsapp", "write", { text })));
  return (state) => {
    const chat = state.whatsapp;
    parts.head.replaceChildren(
      icon(ICONS.back, "icon back"), avatar(state.merchant),
      h("div", { class: "title" }, h("b", {}, state.merchant), h("small", {}, "business account")));
    parts.banner.hidden = !chat.broken;
    parts.banner.textContent = "This number is not on WhatsApp now";
    refill(parts.screen, chat.messages.length
      ? chat.messages.map((one) => bubble(one, act, openUrl))
      : [empty("WhatsApp", `Messages to ${state.person.phone} appear here.`)]);
    parts.switches.replaceChildren(
      toggle("24 h window", chat.window_open, (open) => act("whatsapp", "window", { open }),
        "Free text is only allowed while the window is open"),
      toggle("Blocked", chat.blocked, (on) => act("whatsapp", "block", { on })),
      toggle("No WhatsApp", chat.broken, (on) => act("whatsapp", "break", { on }),
        "This number has no WhatsApp: messages fail with 63024"));
    const isUnread = chat.messages.some((one) => !one.mine && one.status === "delivered");
    if (isUnread && document.visibilityState === "visible") act("whatsapp", "read");
  };
}


function bubble(message, act, openUrl) {
  const card = h("div", {
    class: `bubble ${message.mine ? "mine" : "theirs"} ${isLost(message) ? "lost" : ""}`,
    data: { id: message.id, status: message.status },
  },
  h("div", { class: "text" }, linkify(message.text, openUrl)),
  h("div", { class: "meta" }, time(message.at), message.mine ? ticks("read") : null));
  const buttons = message.buttons.map((button) => button.url
    ? link(button.url, `↗ ${button.title}`, openUrl, "card-button")
    : h("button", {
      type: "button", class: "card-button",
      onclick: () => act("whatsapp", "tap", { id: message.id, title: button.title }),
    }, `↩ ${button.title}`));
  return h("div", { class: `row ${message.mine ? "right" : "left"}` },
    h("div", { class: "stack" }, card, isLost(message) ? [] : buttons, provider(message)));
}

function provider(message) {
  if (message.mine) return null;
  if (isLost(message)) return h("div", { class: "provider bad" }, lossText(message));
  return h("div", { class: "provider" },
    ticks(message.status), message.status, message.template ? " · template" : "");
}

export function ticks(status) {
  const isTwo = status === "delivered" || status === "read";
  return icon(isTwo ? ICONS.two : ICONS.one, `ticks ${status}`, "0 0 16 12");
}
