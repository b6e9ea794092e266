// Mail as its reader sees it: a list, and one mail with its HTML in a frame without scripts.

import { time } from "./clock.js";
import { h, icon, ICONS, linkify } from "./dom.js";
import { avatar, empty, phone, toggle } from "./shell.js";

const senderName = (from) => from.replace(/\s*<.*>$/, "").replaceAll('"', "") || from;

export function email(root, act, openUrl) {
  const parts = phone(root, "mail");
  const view = { open: null, latest: null, shown: null, state: null };

  const show = (state) => {
    const box = state.email;
    const latest = box.mails[0]?.id ?? null;
    if (latest !== view.latest) { view.latest = latest; view.open = latest; }
    view.state = state;
    const mail = box.mails.find((one) => one.id === view.open);
    head(state, mail);
    parts.banner.hidden = !box.broken;
    parts.banner.textContent = "The mailbox refuses mail (550)";
    const shown = JSON.stringify([mail?.id, mail ? 0 : box.mails.map((one) => one.id), state.person.id]);
    if (shown !== view.shown) {
      view.shown = shown;
      parts.screen.replaceChildren(...(mail ? opened(mail) : inbox(state)));
      parts.screen.scrollTop = 0;
    }
    parts.switches.replaceChildren(
      toggle("Refuses mail", box.broken, (on) => act("email", "break", { on }),
        "Refuse mail with 550 5.1.1"));
  };

  const open = (id) => { view.open = id; show(view.state); };

  const head = (state, mail) => parts.head.replaceChildren(
    mail
      ? h("button", { type: "button", class: "to-list", onclick: () => open(null) },
        icon(ICONS.back, "icon back"), "Inbox")
      : h("h3", {}, "Inbox"),
    h("small", { class: "count" }, state.person.email));

  const inbox = (state) => state.email.mails.length
    ? state.email.mails.map((mail) => h("button", { type: "button", class: "mail-row", onclick: () => open(mail.id) },
      avatar(senderName(mail.from)),
      h("span", { class: "mail-text" },
        h("b", {}, senderName(mail.from), h("small", {}, time(mail.at))),
        h("span", { class: "subject" }, mail.subject),
        h("span", { class: "preview" }, mail.text.slice(0, 90)))))
    : [empty("Email", `Mail to ${state.person.email || "this person"} appears here.`)];

  const opened = (mail) => [
    h("div", { class: "mail-head" },
      h("h3", {}, mail.subject),
      h("div", { class: "mail-from" }, avatar(senderName(mail.from)),
        h("span", {}, h("b", {}, senderName(mail.from)), h("small", {}, `to me · ${time(mail.at)}`)))),
    mail.html ? frame(mail, openUrl) : h("div", { class: "mail-plain" }, linkify(mail.text, openUrl)),
  ];
  return show;
}

// Same origin but without scripts: the page may hear clicks inside, the mail can do nothing.
function frame(mail, openUrl) {
  const node = h("iframe", {
    class: "mail-frame", title: mail.subject, src: `/sandbox/api/mails/${mail.id}`,
    sandbox: "allow-same-origin allow-popups",
  });
  node.addEventListener("load", () => {
    const inside = node.contentDocument;
    const size = () => { node.height = String(inside.documentElement.scrollHeight); };
    size();
    new ResizeObserver(size).observe(inside.documentElement);
    inside.addEventListener("click", (event) => {
      const anchor = event.target.closest?.("a[href]");
      if (!anchor) return;
      event.preventDefault();
      if (!openUrl(anchor.href)) window.open(anchor.href, "_blank", "noopener");
    });
  });
  return node;
}
