// What all pages use: elements, times, messages, and requests to the desk's server.

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show all times inside a node in the time zone of the browser. */
export function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      time.textContent = format.format(moment);
      time.title = time.dateTime;
    }
  }
}

/** Create an element. Strings become text, never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Create a bar whose length shows a share from 0 to 1. */
export function bar(share) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [key, value] of [["class", "bar"], ["viewBox", "0 0 100 4"], ["preserveAspectRatio", "none"], ["aria-hidden", "true"]]) {
    svg.setAttribute(key, value);
  }
  for (const [kind, width] of [["track", 100], ["fill", share * 100]]) {
    const rect = document.createElementNS(space, "rect");
    rect.setAttribute("class", kind);
    rect.setAttribute("width", width.toFixed(1));
    rect.setAttribute("height", 4);
    svg.append(rect);
  }
  return svg;
}

/** Write a share as a percentage. Only a share of 1 becomes 100%. */
export function percent(share) {
  return `${(share < 1 ? Math.min(share * 100, 99.9) : 100).toFixed(1)}%`;
}

const MOST_MESSAGES = 3;

/** Show a message for some seconds; an error stays longer. The oldest goes when there are too many. */
export function say(text, kind = "") {
  const note = element("p", { class: `message ${kind}` }, text);
  const messages = document.getElementById("messages");
  messages.append(note);
  while (messages.children.length > MOST_MESSAGES) messages.firstElementChild.remove();
  setTimeout(() => note.remove(), kind === "bad" ? 9000 : 3500);
}

/** Thrown for every error response; `code` is the code of the server, or `offline`. */
export class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.changes = error.changes ?? [];
  }
}

/**
 * Post JSON or a form to the desk's server and return its response.
 *
 * If the session has ended, the page goes to the login and comes back to its own address. A request with `keep`, the
 * words for what it does, is then sent again for the same person.
 */
export async function post(path, body, { keep = null, ...more } = {}) {
  const headers = { "X-CSRF-Token": document.querySelector("meta[name=csrf]").content, Accept: "application/json" };
  const isForm = body instanceof FormData;
  if (!isForm) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: "POST", headers, body: isForm ? body : JSON.stringify(body), ...more });
  } catch {
    throw new Refused(0, { code: "offline", message: "The server cannot be reached. Nothing was stored; try again." });
  }
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    // Without the session's cookie, the token of the page means nothing any more.
    if (answer.status === 401 || value.error?.code === "csrf") {
      if (keep) keepForLogin({ path, body, keep });
      location.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    }
    throw new Refused(answer.status, value.error ?? { code: "unknown", message: `The server answered ${answer.status}.` });
  }
  return value;
}

const KEPT = "kept-for-login";
const person = () => document.querySelector("meta[name=person]")?.content ?? "";

function keepForLogin(request) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  sessionStorage.setItem(KEPT, JSON.stringify([...kept, { ...request, person: person() }]));
}

/** Send what could not be sent when the session ended, if the same person is back. */
async function sendKept() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  if (kept.length === 0 || !person()) return;
  sessionStorage.removeItem(KEPT);
  for (const request of kept) {
    if (request.person !== person()) say(`Not stored, because ${request.person} decided it: ${request.keep}`, "bad");
    else {
      await post(request.path, request.body, { keep: request.keep }).then(
        () => say(`Stored after your login: ${request.keep}`, "good"),
        (error) => say(`${request.keep}: ${error.message}`, "bad"),
      );
    }
  }
}

/** Fulfilled when everything that waited for a login has been sent. */
export const resumed = sendKept();

/** Return the name of this browser tab. It survives a reload, so that the tab gets its photos back. */
export function tabName() {
  let name = sessionStorage.getItem("desk");
  if (!name) {
    name = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem("desk", name);
  }
  return name;
}

/** Return true if a key press is meant for a field and not for the page. */
export function isTyping(event) {
  return event.target.closest("input, select, textarea") !== null || event.ctrlKey || event.altKey || event.metaKey;
}
