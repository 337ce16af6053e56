// Single photos: one photo at a time, for the keyboard. The server leases each photo to one reviewer.
import { Chooser } from "./chooser.js";
import { bar, element, percent, post, resumed, say, tabName } from "./dom.js";
import { helpOnQuestionMark, keyOf } from "./keys.js";
import { keepLeases } from "./leases.js";
import { hasLast, remember, takeLast } from "./undo.js";
import { Viewer } from "./viewer.js";

const AHEAD = 3; // photos fetched before they are needed
const desk = document.getElementById("desk");
const at = (id) => document.getElementById(id);
const tab = tabName();
const viewer = new Viewer(at("frame"));
const chooser = new Chooser(at("category"), at("options"), JSON.parse(desk.dataset.categories), choose);

// All photos of this tab: { photo, said, review, sending, turn, lost }. `turn` counts the reviewer's actions on a photo.
const items = [];
let index = 0;
let done = 0;
let fetching = null;
let waiting = 0;
let failed = null; // the message of the last claim, if it failed
let undoing = Promise.resolve();

const isOpen = (item) => !item.said && !item.lost;
const current = () => items[index];

/**
 * Ask for more photos, renew the leases of those on the screen, and learn which ones other people have taken.
 *
 * Requests can overtake each other. A photo whose verdict is still on its way counts as held, or the server would lease
 * it again. A response says nothing about a photo on which the reviewer has acted since the request.
 */
async function claim(count) {
  const held = items.filter((item) => isOpen(item) || item.sending).slice(-100);
  const turns = new Map(items.map((item) => [item, item.turn]));
  const isAsAsked = (item) => turns.get(item) === item.turn;
  const body = { desk: tab, count, held: held.map((item) => item.photo.id), kind: desk.dataset.kind || null, by_itself: true };
  let answer;
  try {
    answer = await post("/desk/claim", body);
  } catch (error) {
    failed = error.message;
    throw error;
  }
  failed = null;
  waiting = answer.waiting;
  for (const item of held) if (answer.lost.includes(item.photo.id) && isOpen(item) && isAsAsked(item)) item.lost = true;
  for (const photo of answer.photos) {
    const known = items.find((item) => item.photo.id === photo.id);
    if (!known) items.push({ photo, said: null, review: null, sending: false, turn: 0, lost: false });
    else if (isAsAsked(known)) Object.assign(known, { photo, said: null, review: null, lost: false });
    if (photo.picture) new Image().src = `/photos/${photo.id}/picture`;
  }
}

/** Request photos before they are needed; one request at a time. */
function fetchAhead() {
  const ahead = items.slice(index).filter(isOpen).length;
  if (fetching || ahead > AHEAD) return fetching;
  fetching = claim(AHEAD + 1)
    .catch(() => {})
    .finally(() => {
      fetching = null;
      drawTrouble();
    });
  return fetching;
}

/** Show the current photo, or a message if there is none. */
async function show() {
  while (current()?.lost) index += 1;
  if (!current()) {
    at("frame").replaceChildren(element("p", { class: "loading quiet" }, "Loading …"));
    await fetching; // what it counts may be of before the last verdict
    await fetchAhead();
    while (current()?.lost) index += 1;
  }
  const item = current();
  at("panel").hidden = !item;
  document.querySelector(".stage").hidden = !item;
  at("clear").hidden = Boolean(item) || Boolean(failed);
  drawTrouble();
  if (item) draw(item);
  else if (!failed) sayClear();
  at("previous").disabled = !items.slice(0, index).some((other) => !other.lost);
  at("undo").disabled = !hasLast(isPhoto);
  fetchAhead();
}

function drawTrouble() {
  at("trouble").hidden = !failed;
  if (failed) at("trouble-text").textContent = `The desk does not know what waits. ${failed}`;
}

function sayClear() {
  const others = waiting > 0;
  at("clear-title").textContent = others ? "The rest is with others" : "Nothing waits for you";
  at("clear-text").textContent = others
    ? `${waiting} still wait, on other people's screens or skipped by you. This page looks again by itself.`
    : "Every photo that needed a person has been decided.";
}

function draw({ photo, said }) {
  const picture = photo.picture
    ? element("img", { src: `/photos/${photo.id}/picture`, alt: `Photo ${photo.filename}` })
    : element("p", { class: "quiet" }, "The picture of this photo is lost. Enter does not decide it; press a number if you know what it shows.");
  picture.addEventListener("error", () => picture.replaceWith(element("p", { class: "quiet" }, "The picture of this photo is lost.")));
  at("frame").replaceChildren(picture);
  viewer.show(photo.picture ? picture : null);
  at("facts").replaceChildren(...facts(photo, said));
  at("top").replaceChildren(...photo.top.map((entry, place) => choice(entry, place)));
  at("details").replaceChildren(...details(photo));
  for (const button of at("panel").querySelectorAll("button, input")) button.disabled = Boolean(said);
  at("panel").dataset.photo = photo.id;
  chooser.clear();
}

function choice(entry, place) {
  const keys = place === 0 ? [element("kbd", {}, "1"), element("kbd", { class: "enter" }, "Enter")] : [element("kbd", {}, String(place + 1))];
  const button = element("button", { class: place === 0 ? "choice first" : "choice" }, ...keys,
    element("span", { class: "label" }, entry.class), element("span", { class: "number" }, percent(entry.probability)), bar(entry.probability));
  button.addEventListener("click", () => choose(entry.class));
  return element("li", {}, button);
}

function facts(photo, said) {
  const notes = [];
  if (said) notes.push(element("p", { class: "notice good" }, `You decided: ${said}. `, element("kbd", {}, "U"), " takes it back."));
  if (photo.mismatch) {
    notes.push(element("p", { class: "notice bad" }, "Expected ", element("bdi", { class: "strong" }, photo.expected_category), ", looks like ", element("b", {}, photo.predicted_class)));
  }
  if (photo.repeat_of !== null) {
    const link = element("a", { href: `/photos/${photo.repeat_of}`, target: "_blank", rel: "noopener" }, `photo ${photo.repeat_of}`);
    notes.push(element("p", { class: "notice warn" }, photo.repeat_kind === "near" ? "Nearly the same picture came before, as " : "This picture came before, as ", link));
  }
  if (photo.reason === "unknown_item") notes.push(element("p", { class: "notice warn" }, "Perhaps none of our categories"));
  if (notes.length === 0) notes.push(element("p", { class: "notice" }, photo.decision === "review" ? "The model is not sure" : "A spot check"));
  return notes;
}

function details(photo) {
  const rows = [["Photo", element("a", { href: `/photos/${photo.id}`, class: "wrap" }, element("bdi", {}, photo.filename))]];
  if (photo.return_id) rows.push(["Return", element("bdi", { class: "wrap" }, photo.return_id)]);
  return rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)));
}

function choose(category) {
  if (category === "not_ours") decide("not_ours", null, "not one of ours");
  else if (category === "unusable") decide("unusable", null, "unusable photo");
  else decide("category", category, category);
}

/** Send a verdict and show the next photo at once. A refusal is shown when it comes. */
async function decide(kind, category, said) {
  const item = current();
  if (!item || !isOpen(item)) return;
  Object.assign(item, { said, sending: true, turn: item.turn + 1 });
  const body = { prediction_id: item.photo.prediction_id, kind, category };
  item.review = post(`/photos/${item.photo.id}/verdict`, body, { keep: `${item.photo.filename}: ${said}` }).then(
    (answer) => {
      item.sending = false;
      count(1, answer.waiting);
      remember({ kind: "single", photo: item.photo.id, review: answer.review_id, label: item.photo.filename });
      at("undo").disabled = false;
      if (!current() && !items.some((other) => other.sending)) show(); // only now the server's count is true
      return answer.review_id;
    },
    (error) => {
      Object.assign(item, { said: null, review: null, sending: false });
      if (error.status === 409 || error.status === 404) item.lost = true;
      else index = items.indexOf(item);
      say(`${item.photo.filename}: ${error.message}`, "bad");
      show();
      return null;
    },
  );
  move(1);
}

function count(change, left) {
  done += change;
  waiting = left;
  at("done").textContent = done;
  const all = document.querySelector(`[data-count="all"]`);
  if (!desk.dataset.kind && all && !all.textContent.endsWith("+")) all.textContent = left;
}

const isPhoto = (entry) => entry.kind === "single";

/** Undo one verdict after the other: the order of two requests at the same time is not defined. */
function undo() {
  undoing = undoing.then(takeBack);
}

/** Take back the verdict on the current photo, or the last verdict of this tab, also one from before a reload. */
async function takeBack() {
  await Promise.all(items.filter((item) => item.sending).map((item) => item.review));
  const here = current();
  const entry = (here?.said && takeLast((other) => isPhoto(other) && other.photo === here.photo.id)) || takeLast(isPhoto);
  if (!entry) return;
  try {
    const answer = await post(`/verdicts/${entry.review}/undo`, {});
    say(`Taken back: ${entry.label}`);
    const target = items.find((item) => item.photo.id === entry.photo);
    if (target) {
      Object.assign(target, { said: null, review: null, turn: target.turn + 1 });
      index = items.indexOf(target);
      count(-1, answer.waiting);
      await claim(0);
    } else {
      const place = index;
      await claim(1); // the photo waits again, and most often it is the first
      const found = items.findIndex((item) => item.photo.id === entry.photo);
      index = found < 0 ? place : found;
    }
  } catch (error) {
    if (error.code === "offline") remember(entry);
    say(error.message, "bad");
  }
  show();
}

function move(step) {
  let next = index + step;
  while (items[next]?.lost) next += step;
  if (next < 0) return;
  index = Math.min(next, items.length);
  show();
}

/** Return true if the picture on the screen has been shown: Enter decides nothing that nobody saw. */
function wasSeen() {
  const picture = at("frame").querySelector("img");
  return Boolean(picture?.complete && picture.naturalWidth > 0);
}

// "u" takes back; as the first letter of a word it begins a search. The next key within this time tells them apart.
const WORD_MS = 350;
let pendingUndo = null;

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]")) return;
  const key = keyOf(event);
  const item = current();
  const onLink = event.target.closest("a, button, summary") !== null;
  const isLetter = /^[a-z]$/.test(key);
  if (pendingUndo !== null) {
    clearTimeout(pendingUndo);
    pendingUndo = null;
    if (isLetter && key !== "u" && item && isOpen(item)) {
      chooser.open(`u${key}`);
      event.preventDefault();
      return;
    }
    undo();
  }
  if (key === "ArrowRight") move(1);
  else if (key === "ArrowLeft") move(-1);
  else if (key === "u") pendingUndo = setTimeout(() => {
    pendingUndo = null;
    undo();
  }, WORD_MS);
  else if (event.shiftKey && key === "z") viewer.zoom();
  else if (event.shiftKey && key === "r") viewer.rotate();
  else if (item && /^[1-3]$/.test(key) && item.photo.top[key - 1]) choose(item.photo.top[key - 1].class);
  else if (item && key === "4") choose("not_ours");
  else if (item && key === "5") choose("unusable");
  else if (item && key === "Enter" && !onLink) {
    if (wasSeen()) choose(item.photo.predicted_class);
  } else if (item && isOpen(item) && (key === "/" || isLetter)) chooser.open(key === "/" ? "" : key);
  else return;
  event.preventDefault();
});

at("previous").addEventListener("click", () => move(-1));
at("next").addEventListener("click", () => move(1));
at("undo").addEventListener("click", undo);
at("not-ours").addEventListener("click", () => choose("not_ours"));
at("unusable").addEventListener("click", () => choose("unusable"));
at("retry").addEventListener("click", () => claim(0).then(show, drawTrouble));

keepLeases({
  tab,
  seconds: Number(desk.dataset.renew),
  path: "/desk/release",
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
