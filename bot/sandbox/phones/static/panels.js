// Around the phones: the fault bar, the payment links and the journal.

import { seconds, time } from "./clock.js";
import { h } from "./dom.js";

const FAULTS = {
  "Callback": [
    ["Repeat", { provider: "migo", operation: "callback", kind: "duplicate", copies: 3 }],
    ["Delay 5 s", { provider: "migo", operation: "callback", kind: "delay", seconds: 5 }],
    ["Drop", { provider: "migo", operation: "callback", kind: "never" }],
    ["Reorder", { provider: "migo", operation: "callback", kind: "reorder" }],
    ["Wrong header", { provider: "migo", operation: "callback", kind: "alter", how: "wrong_header" }],
    ["Wrong amount", { provider: "migo", operation: "callback", kind: "alter", how: "amount_mismatch" }],
  ],
  "Create link": [
    ["Lose answer", { provider: "migo", operation: "create", kind: "drop_answer" }],
    ["Error 2002", { provider: "migo", operation: "create", kind: "refuse", code: 2002 }],
    ["503", { provider: "migo", operation: "create", kind: "server_error", status: 503 }],
  ],
  "Twilio": [
    ["Lose answer", { provider: "twilio", operation: "create", kind: "drop_answer" }],
    ["429", { provider: "twilio", operation: "create", kind: "throttle", retry_after: 2 }],
    ["Undelivered", { provider: "twilio", operation: "deliver", kind: "refuse", code: 30003 }],
  ],
  "Telegram": [
    ["429", { provider: "telegram", operation: "sendMessage", kind: "throttle", retry_after: 2 }],
    ["502", { provider: "telegram", operation: "sendMessage", kind: "server_error", status: 502 }],
  ],
  "Mail": [
    ["451", { provider: "smtp", operation: "data", kind: "throttle" }],
    ["Cut after dot", { provider: "smtp", operation: "data", kind: "drop_answer" }],
  ],
};

export function faultBar(groups, order) {
  groups.replaceChildren(...Object.entries(FAULTS).map(([name, faults]) =>
    h("div", { class: "group" }, h("span", { class: "group-name" }, name),
      faults.map(([label, fault]) => h("button", { type: "button", class: "chip", onclick: () => order(fault) }, label)))));
}

export function showPending(node, faults, held, clear, release) {
  node.hidden = !faults.length && !held;
  node.replaceChildren(
    h("span", { class: "pending-label" }, "Waiting:"),
    ...faults.map((one) => h("span", { class: "tag" },
      `${one.provider} ${one.operation} · ${one.details.how ?? one.kind}${one.times > 1 ? ` ×${one.times}` : ""}`)),
    held ? h("span", { class: "tag" }, `${held} held back`) : "",
    held ? h("button", { type: "button", class: "plain", onclick: release }, "Send now") : "",
    faults.length ? h("button", { type: "button", class: "plain", onclick: clear }, "Clear all") : "");
}

const ACTIONS = [["approve", "Approve"], ["decline", "Decline"]];
const MORE = [
  ["approve_twice", "Approve twice"], ["wrong_amount", "Pay another amount"],
  ["refund", "Refund"], ["refund_half", "Refund half"], ["reverse", "Reverse"],
  ["replay", "Repeat last callback"],
];

export function showLinks(node, links, pay, openUrl) {
  if (!links.length) {
    node.replaceChildren(h("p", { class: "quiet" }, "No payment link was created yet."));
    return;
  }
  node.replaceChildren(h("ul", { class: "links" }, links.slice(0, 12).map((one) => row(one, pay, openUrl))));
}

function row(one, pay, openUrl) {
  const button = ([what, label]) => h("button", { type: "button", class: `chip ${what}`, onclick: () => pay(one.uid, what) }, label);
  const more = h("select", {
    "aria-label": "More", class: "chip more",
    onchange: (event) => { pay(one.uid, event.target.value); event.target.value = ""; },
  }, h("option", { value: "" }, "More…"), MORE.map(([what, label]) => h("option", { value: what }, label)));
  return h("li", { data: { uid: one.uid } },
    h("b", { class: "link-amount" }, one.amount),
    h("div", { class: "link-main" },
      h("button", { type: "button", class: "plain reference", onclick: () => openUrl(one.url) }, one.reference),
      h("span", { class: "link-facts" }, `${one.user_id} · ${one.channel} · ${time(one.at)}`)),
    h("span", { class: `pill ${one.status}` }, one.status),
    h("div", { class: "link-acts" }, ACTIONS.map(button), more));
}

export function showJournal(node, entries) {
  node.replaceChildren(...entries.slice(-24).reverse().map((one) =>
    h("li", { class: one.bad ? "bad" : "" },
      h("time", {}, seconds(one.at)),
      h("span", { class: `dot ${one.provider}` }), h("b", {}, one.provider), h("span", {}, one.text))));
}
