// The sandbox's time, which may run ahead of this machine's, in the zone of the phones.

let ahead = 0;
let zone;

export function setClock(now, timeZone) {
  ahead = Date.parse(now) - Date.now();
  zone = timeZone;
}

export const now = () => new Date(Date.now() + ahead);

const written = (at, parts) =>
  new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: zone, hourCycle: "h23" }).format(new Date(at));

export const day = (at) => written(at, { weekday: "short", day: "numeric", month: "short" });
export const minutes = (at) => written(at, { hour: "2-digit", minute: "2-digit" });
export const seconds = (at) => written(at, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const place = () => (zone ?? "").split("/").pop().replaceAll("_", " ");

// Days apart look alike by their minutes alone.
export const time = (at) => (day(at) === day(now()) ? minutes(at) : `${day(at)}, ${minutes(at)}`);
