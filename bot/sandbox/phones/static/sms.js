// SMS as its user sees it: plain bubbles, one sender.

import { time } from "./clock.js";
import { h, icon, ICONS, isLost, linkify, lossText, refill } from "./dom.js";
import { avatar, composer, empty, phone, toggle } from "./shell.js";

export function sms(root, act, openUrl) {
  const parts = phone(root, "sms");
  parts.foot.append(composer("Text message", (text) => act("sms", "write", { text })));
  return (state) => {
    const chat = state.sms;
    parts.head.replaceChildren(
      icon(ICONS.back, "icon back"),
      h("div", { class: "title" }, avatar("#"), h("b", {}, chat.from)));
    parts.banner.hidden = !(chat.broken || chat.opted_out);
    parts.banner.textContent = chat.broken
      ? "Handset unreachable" : "Opted out with STOP; START brings it back";
    refill(parts.screen, chat.messages.length
      ? chat.messages.map((one) => bubble(one, openUrl))
      : [empty("SMS", `Texts to ${state.person.phone} appear here.`)]);
    parts.switches.replaceChildren(
      h("button", { type: "button", class: "chip",
        onclick: () => act("sms", "write", { text: chat.opted_out ? "START" : "STOP" }) },
      chat.opted_out ? "Text START" : "Text STOP"),
      toggle("Unreachable", chat.broken, (on) => act("sms", "break", { on }),
        "Texts come back undelivered with 30003"));
  };
}

function bubble(message, openUrl) {
  const note = isLost(message) ? lossText(message)
    : `${message.status} · ${message.segments} segment${message.segments === 1 ? "" : "s"}`;
  return h("div", { class: `row ${message.mine ? "right" : "left"}` },
    h("div", { class: "stack" },
      h("div", {
        class: `bubble ${message.mine ? "mine" : "theirs"} ${isLost(message) ? "lost" : ""}`,
        data: { id: message.id, status: message.status },
      }, h("div", { class: "text" }, linkify(message.text, openUrl))),
      h("div", { class: `provider ${isLost(message) ? "bad" : ""}` },
        time(message.at), message.mine ? "" : ` · ${note}`)));
}
