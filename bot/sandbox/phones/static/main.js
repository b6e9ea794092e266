// Ties the page together: one snapshot in, six views out.

import { api, watch } from "./api.js";
import { day, setClock } from "./clock.js";
import { h } from "./dom.js";
import { email } from "./email.js";
import { faultBar, showJournal, showLinks, showPending } from "./panels.js";
import { sms } from "./sms.js";
import { telegram } from "./telegram.js";
import { timeBar } from "./timebar.js";
import { whatsapp } from "./whatsapp.js";

const $ = (id) => document.getElementById(id);

let hideToast = 0;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(hideToast);
  hideToast = setTimeout(() => { $("toast").hidden = true; }, 3500);
}

const complain = (error) => toast(error.message);
const act = (channel, what, more) => api.act(channel, what, more).catch(complain);
const actAsStaff = (channel, what, more) => api.act(channel, what, more, api.staff).catch(complain);
const order = (fault) => api.order(fault).catch(complain);
const pay = (uid, what) => api.pay(uid, what).catch(complain);

// Opens payment pages of this sandbox in the phone's browser; other links keep their own way.
function openUrl(url) {
  const target = new URL(url, location.href);
  if (target.pathname !== "/pay/") return false;
  const local = `${location.origin}/pay/${target.search}`;
  $("browser-host").textContent = target.host;
  $("browser-tab").href = local;
  $("browser-frame").src = local;
  $("browser").showModal();
  return true;
}

$("browser-close").addEventListener("click", () => $("browser").close());
$("browser").addEventListener("click", (event) => { if (event.target === $("browser")) $("browser").close(); });
$("browser").addEventListener("close", () => { $("browser-frame").src = "about:blank"; });

const views = {
  whatsapp: whatsapp($("whatsapp"), act, openUrl),
  sms: sms($("sms"), act, openUrl),
  email: email($("email"), act, openUrl),
  telegram: telegram($("telegram"), act, openUrl, toast, { chat: (state) => state.telegram }),
  staff: telegram($("staff"), actAsStaff, openUrl, toast, { chat: (state) => state.staff.telegram, isStaff: true }),
};
faultBar($("fault-groups"), order);
const showTime = timeBar($("time"), (step) => api.travel(step).catch(complain), (payment) => api.ask(payment).catch(complain));

const shown = {};
function once(name, value, draw) {
  const text = JSON.stringify(value);
  if (shown[name] === text) return;
  shown[name] = text;
  draw();
}

function show(state) {
  document.body.dataset.version = state.version;
  setClock(state.now, state.time_zone);
  showTime(state.travels);
  api.person = state.person.id;
  api.staff = state.staff.person.id;
  for (const [name, draw] of Object.entries(views)) {
    once(name, [state[name], state.person, state.merchant, day(state.now)], () => draw(state));
  }
  once("links", [state.links, day(state.now)], () => showLinks($("links"), state.links, pay, openUrl));
  once("journal", state.journal, () => showJournal($("journal"), state.journal));
  once("faults", [state.faults, state.held], () => showPending($("pending"), state.faults, state.held,
    () => api.clear().catch(complain), () => api.release().catch(complain)));
  once("people", [state.people, state.person], () => showPeople(state));
  once("service", state.service, () => showService(state.service));
}

function showPeople(state) {
  $("person").replaceChildren(...state.people.map((one) =>
    h("option", { value: one.id, selected: one.id === state.person.id }, one.name)));
  $("facts").replaceChildren(...[state.person.phone, state.person.email, state.person.telegram_id && `Telegram ${state.person.telegram_id}`]
    .filter(Boolean).map((text) => h("span", {}, text)));
}

function showService(url) {
  $("service").className = `service ${url ? "on" : ""}`;
  $("service").replaceChildren(h("span", { class: "lamp" }),
    url ? `Webhooks → ${url.replace(/^https?:\/\//, "")}` : "No service connected");
}

function lost() {
  shown.service = "";
  $("service").className = "service lost";
  $("service").replaceChildren(h("span", { class: "lamp" }), "Sandbox is not answering");
}

// Four phones either way: the seller's own takes the place of the mailbox.
function view(name) {
  document.body.dataset.view = name;
  for (const one of ["customer", "staff"]) $(`view-${one}`).setAttribute("aria-pressed", String(one === name));
  history.replaceState(null, "", name === "staff" ? "#staff" : location.pathname + location.search);
}
$("view-customer").addEventListener("click", () => view("customer"));
$("view-staff").addEventListener("click", () => view("staff"));
view(location.hash === "#staff" ? "staff" : "customer");

const reload = watch(show, lost);
$("person").addEventListener("change", (event) => { api.person = event.target.value; reload(); });
reload();
