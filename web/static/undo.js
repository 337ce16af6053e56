// What this tab decided, newest last, so that it can be taken back. It survives a reload.

const PLACE = "decided";
const MOST = 50;

function read() {
  return JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
}

function write(entries) {
  sessionStorage.setItem(PLACE, JSON.stringify(entries.slice(-MOST)));
}

/** Remember something that was decided: what it was, and what takes it back. */
export function remember(entry) {
  write([...read(), entry]);
}

/** Return the newest entry of a kind, and forget it; undefined if there is none. */
export function takeLast(isWanted = () => true) {
  const entries = read();
  const place = entries.findLastIndex(isWanted);
  if (place < 0) return undefined;
  const [entry] = entries.splice(place, 1);
  write(entries);
  return entry;
}

/** Return true if there is something to take back. */
export function hasLast(isWanted = () => true) {
  return read().some(isWanted);
}
