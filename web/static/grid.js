// The grid: many photos of one category. The reviewer marks the wrong ones and accepts the rest at once.
import { element, isTyping, percent, post, say, tabName } from "./dom.js";

const grid = document.getElementById("grid");
const acceptButton = document.getElementById("accept");
const undoButton = document.getElementById("undo");
const tab = tabName();
const wrong = new Set(); // ids that were marked here; they stay leased until the page is left
const accepted = []; // the verdicts of each acceptance, for undo
let photos = [];

async function load() {
  grid.setAttribute("aria-busy", "true");
  const held = [...wrong].slice(-150);
  try {
    const answer = await post("/desk/claim", { desk: tab, count: Number(grid.dataset.size), held, category: grid.dataset.category });
    photos = answer.photos;
  } catch (error) {
    photos = [];
    say(error.message, "bad");
  }
  grid.replaceChildren(...photos.map(cell));
  grid.setAttribute("aria-busy", "false");
  grid.hidden = photos.length === 0;
  document.getElementById("clear").hidden = photos.length > 0;
  document.getElementById("clear-text").textContent = wrong.size
    ? `${wrong.size} that you clicked out wait at the desk.`
    : "Nothing of this category waits here.";
  grid.querySelector("button")?.focus({ preventScroll: true });
  draw();
}

function cell(photo) {
  const picture = photo.picture
    ? element("img", { src: `/photos/${photo.id}/thumbnail`, alt: "", width: 256, height: 256 })
    : element("span", { class: "quiet" }, "no picture");
  const label = element("span", { class: "words" }, element("bdi", { class: "name", title: photo.filename }, photo.filename.split("/").pop()),
    element("span", { class: "number" }, percent(photo.confidence)),
    photo.mismatch ? element("span", { class: "tag bad" }, "expected ", element("bdi", {}, photo.expected_category)) : null);
  const button = element("button", { class: "cell", "aria-pressed": "false", "data-id": photo.id },
    element("span", { class: "unseen" }, "Wrong: "),
    element("span", { class: "frame" }, picture), label);
  button.addEventListener("click", () => toggle(button, photo.id));
  return element("li", {}, button);
}

function toggle(button, id) {
  if (!wrong.delete(id)) wrong.add(id);
  button.setAttribute("aria-pressed", String(wrong.has(id)));
  draw();
}

function draw() {
  const right = photos.filter((photo) => !wrong.has(photo.id)).length;
  const out = photos.length - right;
  acceptButton.disabled = photos.length === 0;
  acceptButton.textContent = right ? `Accept ${out ? "the other " : ""}${right}` : "All wrong: next";
  undoButton.disabled = accepted.length === 0;
}

async function accept() {
  const right = photos.filter((photo) => !wrong.has(photo.id));
  acceptButton.disabled = true;
  try {
    if (right.length) {
      const body = { photos: right.map((photo) => ({ photo_id: photo.id, prediction_id: photo.prediction_id })) };
      const answer = await post("/desk/accept", body);
      accepted.push(answer.stored.map((entry) => entry.review_id));
      say(`${answer.stored.length} accepted`, "good");
      for (const entry of answer.refused) say(`Photo ${entry.photo_id}: ${entry.message}`, "bad");
    }
    await load();
  } catch (error) {
    say(error.message, "bad");
    draw();
  }
}

async function undo() {
  const reviews = accepted.pop();
  if (!reviews) return;
  let taken = 0;
  for (const review of reviews) {
    await post(`/verdicts/${review}/undo`, {}).then(() => (taken += 1), (error) => say(error.message, "bad"));
  }
  say(`${taken} taken back`);
  await load();
}

/** Move the focus to the neighbouring cell. */
function moveFocus(key) {
  const cells = [...grid.querySelectorAll("button")];
  const here = cells.indexOf(document.activeElement);
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  cells[here < 0 ? 0 : here + step]?.focus();
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  if (event.key.startsWith("Arrow")) moveFocus(event.key);
  else if (event.key === "Enter" && !event.target.closest("a, .actions button") && !acceptButton.disabled) accept();
  else if (event.key.toLowerCase() === "u") undo();
  else return;
  event.preventDefault();
});
acceptButton.addEventListener("click", accept);
undoButton.addEventListener("click", undo);
setInterval(() => {
  const held = [...photos.map((photo) => photo.id), ...wrong].slice(0, 200);
  if (held.length) post("/desk/claim", { desk: tab, count: 0, held: [...new Set(held)] }).catch(() => {});
}, Number(grid.dataset.renew) * 1000);
addEventListener("pagehide", () => {
  post("/desk/release", { desk: tab }, { keepalive: true }).catch(() => {});
});
load();
