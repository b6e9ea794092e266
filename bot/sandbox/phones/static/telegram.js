// Telegram as its user sees it: inline buttons, reply keyboard, photos, contact cards, commands.

import { time } from "./clock.js";
import { h, icon, ICONS, link, linkify, refill } from "./dom.js";
import { avatar, composer, empty, phone, toggle } from "./shell.js";

export function telegram(root, act, openUrl, toast, { chat: chatOf, isStaff = false }) {
  const parts = phone(root, "tg");
  if (isStaff) root.classList.add("seller");
  const keyboard = h("div", { class: "keyboard", hidden: true });
  const commands = h("div", { class: "commands", hidden: true });
  const menu = h("button", { type: "button", class: "menu", onclick: () => { commands.hidden = !commands.hidden; } }, "Menu");
  const start = h("button", { type: "button", class: "start", onclick: () => act("telegram", "start") }, "START");
  const line = h("div", { class: "line" }, menu, clip(act, toast), composer("Message", (text) => act("telegram", "write", { text })));
  const invite = isStaff ? inviteForm(act) : null;
  if (isStaff) acceptDrops(parts.screen, act, toast);
  parts.foot.append(commands, line, keyboard, start);
  let toasts = null;

  return (state) => {
    const chat = chatOf(state);
    parts.head.replaceChildren(
      icon(ICONS.back, "icon back"), avatar(chat.bot),
      h("div", { class: "title" }, h("b", {}, chat.bot), h("small", {}, isStaff ? `bot · ${state.staff.person.name}'s phone` : "bot")));
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
    if (isStaff) {
      if (!parts.switches.contains(invite)) parts.switches.replaceChildren(invite);
    } else parts.switches.replaceChildren(
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
        one.document ? documentLink(one) : null,
        one.contact ? contact(one.contact) : null,
        one.text ? h("div", { class: "text" }, linkify(one.text, openUrl)) : null,
        h("div", { class: "meta" }, one.edited ? "edited " : "", time(one.at), one.mine ? icon(ICONS.two, "ticks read", "0 0 16 12") : null)),
      rows.map((row) => h("div", { class: "inline-row" }, row.map((button) => inlineButton(one, button, act, openUrl))))));
}

const LARGEST = 20 * 1024 * 1024;

async function sendFile(file, act, toast) {
  if (file.size > LARGEST) { toast("Telegram gives a bot files of up to 20 MB"); return; }
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  act("telegram", "send_file", { name: file.name, type: file.type, content: btoa(text) });
}

function clip(act, toast) {
  const input = h("input", {
    type: "file", hidden: true, "aria-label": "File to send",
    onchange: () => { for (const file of input.files) sendFile(file, act, toast); input.value = ""; },
  });
  return h("span", { class: "clip" }, input,
    h("button", { type: "button", "aria-label": "Send a file", title: "Send a file", onclick: () => input.click() },
      icon(ICONS.clip, "icon line-icon")));
}

function acceptDrops(screen, act, toast) {
  screen.addEventListener("dragover", (event) => event.preventDefault());
  screen.addEventListener("drop", (event) => {
    event.preventDefault();
    for (const file of event.dataTransfer.files) sendFile(file, act, toast);
  });
}

// `paybot staff invite` prints a t.me link; here it is opened by pasting it.
function inviteForm(act) {
  const input = h("input", { type: "text", placeholder: "Paste an invite link", "aria-label": "Invite link" });
  return h("form", {
    class: "invite",
    onsubmit: (event) => {
      event.preventDefault();
      const token = input.value.trim().replace(/^.*[?&]start=/, "").replace(/^\/start\s+/, "");
      if (token) act("telegram", "start", { payload: token });
      input.value = "";
    },
  }, h("span", { class: "invite-head" }, "Not a message: join the staff here"), input,
  h("button", { type: "submit", class: "chip" }, "Open"));
}

const size = (bytes) => bytes < 1024 ? `${bytes} B` : bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;

const documentLink = (one) => h("a", { class: "document", href: `/sandbox/api/files/${one.document}`, download: one.file?.name ?? "file" },
  h("span", { class: "paper" }, icon(ICONS.down, "icon line-icon")),
  h("span", {}, h("b", {}, one.file?.name ?? "File"), h("small", {}, one.file ? size(one.file.size) : "no longer kept")));

function inlineButton(one, button, act, openUrl) {
  if (button.url) return link(button.url, `${button.text} ↗`, openUrl, "inline-button");
  return h("button", {
    type: "button", class: "inline-button",
    onclick: () => button.callback_data && act("telegram", "tap", { id: one.id, data: button.callback_data }),
  }, button.text);
}

const contact = (card) => h("div", { class: "contact" }, avatar(card.first_name),
  h("span", {}, h("b", {}, card.first_name), h("small", {}, card.phone_number)));
