// The returns desk: one return at a time, for the keyboard. The server leases each return to one reviewer.
import { Chooser } from "./chooser.js";
import { post, resumed, say, tabName } from "./dom.js";
import { helpOnQuestionMark, keyOf } from "./keys.js";
import { keepLeases } from "./leases.js";
import { REASONS, drawReturn, needsCare, select, wasSeen } from "./return_panel.js";
import { hasLast, remember, takeLast } from "./undo.js";
import { Viewer } from "./viewer.js";

const AHEAD = 3; // returns fetched before they are needed
const desk = document.getElementById("desk");
const at = (id) => document.getElementById(id);
const tab = tabName();
const chosen = JSON.parse(desk.dataset.chosen);
const viewers = [new Viewer(at("frame")), new Viewer(at("earlier-frame"))];
const chooser = new Chooser(at("category"), at("options"), JSON.parse(desk.dataset.categories), correct);

// All returns of this tab: { card, said, sending, turn, lost, photo }. `turn` counts the reviewer's actions on a return.
const items = [];
let index = 0;
let done = 0;
let counts = {};
let fetching = null;
let failed = null; // the message of the last claim, if it failed
let wanted = desk.dataset.show || null;
let changing = Promise.resolve();

const isOpen = (item) => !item.said && !item.lost;
const current = () => items[index];

/**
 * Ask for more returns, renew the leases of those on the screen, and learn which ones other people have taken.
 *
 * Requests can overtake each other. A return whose decision is still on its way counts as held, or the server would
 * lease it again. A response says nothing about a return on which the reviewer has acted since the request.
 */
async function claim(count, key = null) {
  const held = items.filter((item) => isOpen(item) || item.sending).slice(-100);
  const turns = new Map(items.map((item) => [item, item.turn]));
  const isAsAsked = (item) => turns.get(item) === item.turn;
  const body = { desk: tab, count, held: held.map((item) => item.card.return_key), filters: chosen, wanted: key };
  let answer;
  try {
    answer = await post("/desk/returns/claim", body);
  } catch (error) {
    failed = error.message;
    throw error;
  }
  failed = null;
  counts = answer.counts;
  drawCounts();
  for (const item of held) if (answer.lost.includes(item.card.return_key) && isOpen(item) && isAsAsked(item)) item.lost = true;
  for (const card of answer.returns) {
    const known = items.find((item) => item.card.return_key === card.return_key);
    if (!known) items.push({ card, said: null, sending: false, turn: 0, lost: false, photo: null });
    else if (isAsAsked(known)) Object.assign(known, { card, said: null, lost: false });
    for (const photo of card.items) if (photo.picture === "kept") new Image().src = `/photos/${photo.photo_id}/picture`;
  }
}

/** Request returns before they are needed; one request at a time. */
function fetchAhead() {
  const ahead = items.slice(index).filter(isOpen).length;
  if (fetching || ahead > AHEAD) return fetching;
  const key = wanted;
  wanted = null;
  fetching = claim(AHEAD + 1, key)
    .catch(() => {})
    .finally(() => {
      fetching = null;
      drawTrouble();
    });
  return fetching;
}

/** Show the current return, or a message if there is none. */
async function show() {
  while (current()?.lost) index += 1;
  if (!current()) {
    await fetching; // what it counts may be of before the last decision
    await fetchAhead();
    while (current()?.lost) index += 1;
  }
  const item = current();
  at("panel").hidden = !item;
  at("stage").hidden = !item;
  at("clear").hidden = Boolean(item) || Boolean(failed);
  drawTrouble();
  if (item) draw(item);
  else if (!failed) sayClear();
  at("previous").disabled = !items.slice(0, index).some((other) => !other.lost);
  at("undo").disabled = !hasLast();
  fetchAhead();
}

function draw(item) {
  closeReasons();
  at("note").value = "";
  drawReturn(item, viewers);
  chooser.clear();
}

function drawTrouble() {
  at("trouble").hidden = !failed;
  if (failed) at("trouble-text").textContent = `The desk does not know what waits. ${failed}`;
}

function drawCounts() {
  for (const place of document.querySelectorAll("[data-count]")) {
    const count = counts[place.dataset.count];
    if (count !== undefined && !place.textContent.trim().endsWith("+")) place.textContent = Math.max(count, 0);
  }
}

function sayClear() {
  const left = counts[chosen.asked ? "asked" : (chosen.kind ?? "all")] ?? 0;
  at("clear-title").textContent = left > 0 ? "The rest is with others" : "No return waits for you";
  at("clear-text").textContent = left > 0
    ? `${left} still wait, on other people's screens or skipped by you. This page looks again by itself.`
    : "Every return of this list has been decided.";
}

/** Return what the server compares with the return as it is now. */
function seen({ return_key: key, changed_at, items: photos }) {
  return { key, changed_at, photos: photos.map((photo) => ({ photo_id: photo.photo_id, finding: photo.finding, category: photo.final_category })) };
}

function count(item, change) {
  done += change;
  at("done").textContent = done;
  const kind = item.card.mismatches ? "mismatch" : item.card.repeats ? "repeat" : "unsure";
  const places = item.card.asked_at ? ["asked"] : [kind, "all"];
  for (const place of places) if (counts[place] !== undefined) counts[place] -= change;
  drawCounts();
}

/** Send a decision and show the next return at once. A refusal is shown when it comes. */
function send(item, path, body, said, undoing) {
  if (!item || !isOpen(item) || item.sending) return;
  Object.assign(item, { said, sending: true, turn: item.turn + 1 });
  const note = at("note").value.trim() || null;
  const name = item.card.return_id ?? item.card.return_key;
  count(item, 1);
  const entry = { ...undoing, key: item.card.return_key, label: `${name}: ${said}`, turn: item.turn };
  remember(entry);
  item.answer = post(path, { ...seen(item.card), ...body, note }, { keep: `${name}: ${said}` }).then(
    (card) => {
      Object.assign(item, { card, sending: false });
      if (!current() && !items.some((other) => other.sending)) show(); // only now the server's counts are true
    },
    (error) => refuse(item, entry, error),
  );
  move(1);
}

/** Bring a return back whose decision was not stored. */
async function refuse(item, entry, error) {
  takeLast((other) => other.key === entry.key && other.turn === entry.turn);
  Object.assign(item, { said: null, sending: false, turn: item.turn + 1 });
  count(item, -1);
  say(`${item.card.return_id ?? "Photo"}: ${error.message}`, "bad");
  if (error.status === 404) item.lost = true;
  else if (error.code === "return_changed") await refresh(item);
  if (!item.lost) index = items.indexOf(item);
  show();
}

/** Get a return as it is now; one that waits no more is left. */
async function refresh(item) {
  try {
    item.card = await post("/desk/returns/show", { key: item.card.return_key });
    if (item.card.final_decision !== "open") item.lost = true;
  } catch {
    item.lost = true;
  }
}

function clearReturn(deliberate) {
  const item = current();
  if (!item || !isOpen(item)) return;
  const care = needsCare(item.card);
  if (!wasSeen() && !care) return say("The picture is still loading.");
  if (care && !deliberate) return say(`${care} Press Shift + Y to clear the return without it.`, "bad");
  send(item, "/desk/returns/decide", { decision: "cleared" }, "cleared", { kind: "return" });
}

function hold(reason) {
  const words = REASONS.find(([name]) => name === reason)[1];
  send(current(), "/desk/returns/decide", { decision: "hold", reason }, `on hold, ${words}`, { kind: "return" });
}

function openReasons() {
  if (!current() || !isOpen(current())) return;
  at("reasons").hidden = false;
  const { suggested } = current().card;
  at("reasons").querySelector(suggested ? `[data-reason=${suggested}]` : "button").focus();
}

function closeReasons() {
  const held = at("reasons").contains(document.activeElement);
  at("reasons").hidden = true;
  if (held) document.activeElement.blur();
}

/** Ask for the reason; a second press takes the one that the photos suggest. */
function onHold() {
  const reason = current()?.card.suggested;
  if (at("reasons").hidden) openReasons();
  else if (reason) hold(reason);
}

function judge(verdict) {
  const item = current();
  const photo = item?.photo;
  if (!photo?.earlier || photo.earlier.verdict) return;
  const body = { photo_id: photo.photo_id, earlier_id: photo.earlier.id, verdict };
  if (verdict === "same_item") send(item, "/desk/returns/repeat", body, "on hold, same item as another return", { kind: "return" });
  else change("another item", (now) => post("/desk/returns/repeat", { ...seen(now.card), ...body }), { kind: "repeat", photo: photo.photo_id, earlier: photo.earlier.id });
}

/** Correct one photo of the return. */
function correct(category) {
  const photo = current()?.photo;
  if (!photo || photo.prediction_id === null || photo.verdict) return;
  const kind = category === "not_ours" || category === "unusable" ? category : "category";
  const body = { prediction_id: photo.prediction_id, kind, category: kind === "category" ? category : null };
  const entry = { kind: "photo" };
  change(kind === "category" ? category : kind.replace("_", " "), async (item) => {
    const answer = await post(`/photos/${photo.photo_id}/verdict`, body, { keep: `${photo.filename}: ${category}` });
    entry.review = answer.review_id;
    return post("/desk/returns/show", { key: item.card.return_key });
  }, entry);
}

/**
 * Change something about the current return, one change after the other, and show what became of it. A return that the
 * change decided is done.
 */
function change(label, work, undoing = null, counts_as_decided = true) {
  const item = current();
  if (!item || !isOpen(item)) return;
  changing = changing.then(async () => {
    try {
      const card = await work(item);
      Object.assign(item, { card, turn: item.turn + 1 });
      if (undoing) remember({ ...undoing, key: card.return_key, label: `${card.return_id ?? "Photo"}: ${label}`, turn: item.turn });
      const waits = card.final_decision === "open" && (chosen.asked || chosen.mine || !card.asked_at);
      if (!waits && counts_as_decided && isOpen(item)) {
        item.said = card.final_decision === "open" ? "asked the lead" : card.final_decision;
        if (card.final_decision !== "open") say(`${card.return_id ?? "Photo"}: ${item.said}`, "good");
        count(item, 1);
        if (current() === item) return move(1);
      }
    } catch (error) {
      say(error.message, "bad");
      if (error.code === "return_changed") await refresh(item);
    }
    if (current() === item) show();
  });
}

function mark(kind, text = null) {
  return (item) => post("/desk/returns/mark", { key: item.card.return_key, kind, text }, { keep: `${item.card.return_id}: ${kind}` });
}

function ask() {
  const text = at("note").value.trim() || null;
  change("asked the lead", mark("asked", text), { kind: "asked" });
}

function saveNote() {
  const text = at("note").value.trim();
  if (!text) return at("note").focus();
  at("note").blur();
  change("note", mark("note", text), null, false);
}

/** Take back the last thing that this tab decided; one after the other. */
function undo() {
  changing = changing.then(async () => {
    const entry = takeLast();
    if (!entry) return;
    await items.find((item) => item.card.return_key === entry.key)?.answer;
    try {
      if (entry.kind === "return") await post("/desk/returns/undo", { key: entry.key });
      else if (entry.kind === "photo") await post(`/verdicts/${entry.review}/undo`, {});
      else if (entry.kind === "asked") await post("/desk/returns/mark", { key: entry.key, kind: "withdrawn" });
      else if (entry.kind === "repeat") await post("/desk/returns/repeat/undo", { key: entry.key, photo_id: entry.photo });
      say(`Taken back: ${entry.label}`);
      await bringBack(entry.key);
    } catch (error) {
      if (error.code === "offline") remember(entry);
      say(error.message, "bad");
    }
    await show();
  });
}

/** Put a return that waits again on the screen. */
async function bringBack(key) {
  const item = items.find((other) => other.card.return_key === key);
  if (item?.said) count(item, -1);
  if (item) Object.assign(item, { said: null, lost: false, turn: item.turn + 1 });
  await claim(0, item ? null : key);
  const shown = items.findIndex((other) => other.card.return_key === key);
  if (shown < 0) return;
  await refresh(items[shown]);
  index = shown;
}

function move(step) {
  let next = index + step;
  while (items[next]?.lost) next += step;
  if (next < 0) return;
  index = Math.min(next, items.length);
  show();
}

function movePhoto(step) {
  const item = current();
  if (!item) return;
  const place = item.card.items.indexOf(item.photo) + step;
  if (item.card.items[place]) select(item, item.card.items[place], viewers);
}

const ACTIONS = {
  y: (event) => clearReturn(event.shiftKey),
  n: onHold,
  l: ask,
  s: () => judge("same_item"),
  a: () => judge("another_item"),
  f: () => change("flag", mark(current()?.card.flagged ? "unflagged" : "flagged"), null, false),
  c: () => at("note").focus(),
  u: undo,
  z: () => viewers.forEach((viewer) => viewer.zoom()),
  r: () => viewers.forEach((viewer) => viewer.rotate()),
  "/": () => chooser.open(""),
  4: () => correct("not_ours"),
  5: () => correct("unusable"),
  ArrowRight: () => move(1),
  ArrowLeft: () => move(-1),
  ArrowDown: () => movePhoto(1),
  ArrowUp: () => movePhoto(-1),
};

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const key = keyOf(event);
  if (!at("reasons").hidden && /^[1-5]$/.test(key)) hold(REASONS[key - 1][0]);
  else if (!at("reasons").hidden && key === "Escape") closeReasons();
  else if (/^[1-3]$/.test(key)) {
    const entry = current()?.photo?.top[key - 1];
    if (entry) correct(entry.class);
  } else if (Object.hasOwn(ACTIONS, key)) ACTIONS[key](event);
  else return;
  event.preventDefault();
});

at("note").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("note").blur();
  } else if (event.key === "Escape") at("note").blur();
});
const CLICKS = {
  "clear-return": () => clearReturn(Boolean(current() && needsCare(current().card) && confirmedBlind())),
  hold: onHold,
  ask,
  same: () => judge("same_item"),
  another: () => judge("another_item"),
  flag: () => ACTIONS.f(),
  "save-note": saveNote,
  previous: () => move(-1),
  next: () => move(1),
  undo,
  retry: () => claim(0).then(show, drawTrouble),
};
for (const [id, action] of Object.entries(CLICKS)) at(id).addEventListener("click", action);
at("reasons").addEventListener("click", (event) => {
  const reason = event.target.closest("[data-reason]")?.dataset.reason;
  if (reason) hold(reason);
});
at("top").addEventListener("click", (event) => {
  const category = event.target.closest("[data-category]")?.dataset.category;
  if (category) correct(category);
});
at("strip").addEventListener("click", (event) => {
  const number = Number(event.target.closest("[data-photo]")?.dataset.photo);
  const photo = current()?.card.items.find((other) => other.photo_id === number);
  if (photo) select(current(), photo, viewers);
});

let blindKey = null;

/** Ask once more before a click clears a return whose picture is missing. */
function confirmedBlind() {
  const key = current().card.return_key;
  if (blindKey === key) return true;
  blindKey = key;
  say("Click again to clear the return without the picture.", "bad");
  return false;
}

keepLeases({
  tab,
  seconds: Number(desk.dataset.renew),
  path: "/desk/returns/release",
  renew: async () => {
    if (fetching) return;
    await claim(0).catch(() => {});
    drawTrouble();
    if (!current() || current().lost) show();
  },
  comeBack: () => claim(0).then(show, drawTrouble),
});
helpOnQuestionMark();
resumed.finally(show);
