// Above the phones: the date and time, the ways to move it, and a new payment.

import { day, now, place, seconds } from "./clock.js";
import { h } from "./dom.js";

const STEPS = [["+1 h", { hours: 1 }], ["+1 day", { hours: 24 }], ["To the next reminder", { to: "next" }]];
const CHANNELS = [["whatsapp", "WhatsApp"], ["sms", "SMS"], ["email", "Email"], ["telegram", "Telegram"]];

export function timeBar(root, travel, ask) {
  const date = h("b", { class: "now-date" });
  const clock = h("span", { class: "now-time" });
  const zone = h("span", { class: "now-zone" });
  const buttons = STEPS.map(([label, step]) => {
    const button = h("button", { type: "button", class: "chip step" }, label);
    button.addEventListener("click", () => hold(buttons, travel(step)));
    return button;
  });
  const steps = h("div", { class: "group steps" }, buttons);
  const form = paymentForm(ask);
  root.append(h("div", { class: "now", role: "timer", "aria-label": "Sandbox time" }, date, clock, zone), steps, form);
  const tick = () => {
    date.textContent = day(now());
    clock.textContent = seconds(now());
    zone.textContent = place();
  };
  setInterval(tick, 1000);
  return (travels) => {
    steps.hidden = !travels;
    form.hidden = !travels;
    tick();
  };
}

async function hold(buttons, work) {
  for (const each of buttons) each.disabled = true;
  await work;
  for (const each of buttons) each.disabled = false;
}

function paymentForm(ask) {
  const amount = h("input", { name: "amount", inputmode: "decimal", value: "150.00", size: 7, "aria-label": "Amount" });
  const channel = h("select", { name: "channel", "aria-label": "Channel" },
    CHANNELS.map(([value, label]) => h("option", { value }, label)));
  const due = h("input", { name: "due", type: "number", min: 0, max: 366, value: 3, "aria-label": "Due in days" });
  const reminders = h("input", { name: "reminders", type: "checkbox", checked: true });
  const button = h("button", { type: "submit", class: "chip approve" }, "Ask for payment");
  return h("form", {
    class: "group ask", "aria-label": "New payment",
    onsubmit: (event) => {
      event.preventDefault();
      hold([button], ask({
        amount: amount.value, channel: channel.value, due_in_days: due.value, reminders: reminders.checked,
      }));
    },
  },
  amount, channel,
  h("label", {}, "due in ", due, " days"), h("label", {}, reminders, " reminders"), button);
}
