// Telegram as its user sees it: inline buttons, reply keyboard, photos, contact cards, commands.

import { h, icon, ICONS, link, linkify, refill, time } from "./dom.js";
import { avatar, composer, empty, phone, toggle } from "./shell.js";

export function telegram(root, act, openUrl, toast) {
  const parts = phone(root, "tg");
  const keyboard = h("div", { class: "keyboard", hidden: true });
  const commands = h("div", { class: "commands", hidden: true });
  const menu = h("button", { type: "button", class: "menu", onclick: () => { commands.hidden = !commands.hidden; } }, "Menu");
  const start = h("button", { type: "button", class: "start", onclick: () => act("telegram", "start") }, "START");
  const line = h("div", { class: "line" }, menu, composer("Message", (text) => act("telegram", "write", { text })));
  parts.foot.append(commands, line, keyboard, start);
  let toasts = null;

  return (state) => {
    const chat = state.telegram;
    parts.head.replaceChildren(
      icon(ICONS.back, "icon back"), avatar(chat.bot),
      h("div", { class: "title" }, h("b", {}, chat.bot), h("small", {}, "bot")));
    parts.banner.hidden = !chat.blocked;
    parts.banner.textContent = "You blocked this bot";
    refill(parts.screen, chat.messages.length
      ? chat.messages.map((one) => message(one, act, openUrl))
      : [empty("Telegram", `Press START to open the chat with @${chat.username}.`)]);
    start.hidden = chat.started && !chat.blocked;
    start.textContent = chat.blocked ? "UNBLOCK" : "START";
    line.hidden = !start.hidden;
    menu.hidden = !chat.commands.length;
    commands.replaceChildren(...chat.commands.map((one) => h("button", {
      type: "button",
      onclick: () => { commands.hidden = true; act("telegram", "write", { text: `/${one.command}` }); },
    }, h("b", {}, `/${one.command}`), h("span", {}, one.description))));
    fillKeyboard(chat.keyboard);
    parts.switches.replaceChildren(
      h("button", { type: "button", class: "chip", onclick: () => act("telegram", "share_contact", { own: true }) }, "Share my contact"),
      h("button", { type: "button", class: "chip", onclick: () => act("telegram", "share_contact", { own: false }) }, "Forward another"),
      toggle("Blocked", chat.blocked, (on) => act("telegram", "block", { on })));
    if (toasts !== null && chat.toasts > toasts) toast(chat.toast);
    toasts = chat.toasts;
  };

  function fillKeyboard(markup) {
    keyboard.hidden = !markup || line.hidden;
    keyboard.replaceChildren(...(markup?.keyboard ?? []).map((row) => h("div", { class: "key-row" },
      row.map((key) => {
        const button = typeof key === "string" ? { text: key } : key;
        return h("button", {
          type: "button",
          onclick: () => button.request_contact
            ? act("telegram", "share_contact", { own: true })
            : act("telegram", "write", { text: button.text }),
        }, button.text);
      }))));
  }
}

function message(one, act, openUrl) {
  const rows = one.markup?.inline_keyboard ?? [];
  return h("div", { class: `row ${one.mine ? "right" : "left"}` },
    h("div", { class: "stack" },
      h("div", { class: `bubble ${one.mine ? "mine" : "theirs"} ${one.photo ? "has-photo" : ""}`, data: { id: one.id } },
        one.photo ? h("img", { src: `/sandbox/api/photos/${one.photo}`, alt: "Picture", class: "photo" }) : null,
        one.document ? h("div", { class: "document" }, icon(ICONS.clip, "icon line-icon"), "Document") : null,
        one.contact ? contact(one.contact) : null,
        one.text ? h("div", { class: "text" }, linkify(one.text, openUrl)) : null,
        h("div", { class: "meta" }, one.edited ? "edited " : "", time(one.at), one.mine ? icon(ICONS.two, "ticks read", "0 0 16 12") : null)),
      rows.map((row) => h("div", { class: "inline-row" }, row.map((button) => inlineButton(one, button, act, openUrl))))));
}

function inlineButton(one, button, act, openUrl) {
  if (button.url) return link(button.url, `${button.text} ↗`, openUrl, "inline-button");
  return h("button", {
    type: "button", class: "inline-button",
    onclick: () => button.callback_data && act("telegram", "tap", { id: one.id, data: button.callback_data }),
  }, button.text);
}

const contact = (card) => h("div", { class: "contact" }, avatar(card.first_name),
  h("span", {}, h("b", {}, card.first_name), h("small", {}, card.phone_number)));
