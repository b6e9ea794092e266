// Talks to the control API; everything the page knows comes from one snapshot.

const post = (path, body, method = "POST") =>
  fetch(`/sandbox/api${path}`, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).then(async (response) => {
    if (!response.ok) throw new Error((await response.json()).error);
  });

export const api = {
  person: "",
  state: () =>
    fetch(`/sandbox/api/state?person=${encodeURIComponent(api.person)}`).then((r) => r.json()),
  act: (channel, what, more = {}, person = api.person) =>
    post("/act", { person, channel, do: what, ...more }),
  pay: (uid, what) => post(`/links/${uid}`, { do: what }),
  order: (fault) => post("/faults", fault),
  clear: () => post("/faults", {}, "DELETE"),
  release: () => post("/release", {}),
  travel: (step) => post("/time", step),
  ask: (payment) => post("/payments", { person: api.person, ...payment }),
};

// Calls back with a fresh snapshot whenever something changed; bursts become one call.
export function watch(show, lost) {
  let busy = false;
  let again = false;
  const load = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try { show(await api.state()); } catch { lost(); }
    busy = false;
    if (again) { again = false; load(); }
  };
  const events = new EventSource("/sandbox/api/events");
  events.onmessage = load;
  events.onerror = lost;
  return load;
}
