// The grid: many photos of one category. The reviewer marks the wrong ones and accepts the rest at once. Mismatches and
// repeats are shown and never accepted: they are decided with their return.
import { element, percent, post, resumed, say, tabName } from "./dom.js";
import { helpOnQuestionMark, keyOf } from "./keys.js";
import { keepLeases } from "./leases.js";

const grid = document.getElementById("grid");
const acceptButton = document.getElementById("accept");
const undoButton = document.getElementById("undo");
const tab = tabName();
const wrong = new Set(); // ids that were marked here; they stay leased until the page is left
const accepted = []; // the verdicts of each acceptance, for undo
const kindOf = document.getElementById("give");
const giveButton = document.getElementById("give-marked");
const zoomed = document.getElementById("zoomed");
let photos = [];
let waiting = 0;

const isDoubtful = (photo) => photo.mismatch || photo.repeat_of !== null;
const isRight = (photo) => !wrong.has(photo.id) && !isDoubtful(photo);

async function load() {
  grid.setAttribute("aria-busy", "true");
  const held = [...wrong].slice(-150);
  try {
    const answer = await post("/desk/claim", { desk: tab, count: Number(grid.dataset.size), held, category: grid.dataset.category });
    photos = answer.photos;
    waiting = answer.waiting;
    trouble(null);
  } catch (error) {
    photos = [];
    trouble(error.message);
  }
  grid.replaceChildren(...photos.map(cell));
  grid.setAttribute("aria-busy", "false");
  grid.hidden = photos.length === 0;
  document.getElementById("clear").hidden = photos.length > 0 || !document.getElementById("trouble").hidden;
  document.getElementById("clear-text").textContent = wrong.size
    ? `${wrong.size} that you clicked out wait at the desk.`
    : "Nothing of this category waits here.";
  grid.querySelector("button")?.focus({ preventScroll: true });
  draw();
}

/** Show why the desk does not know what waits, or hide it. */
function trouble(message) {
  document.getElementById("trouble").hidden = !message;
  if (message) document.getElementById("trouble-text").textContent = `The desk does not know what waits. ${message}`;
}

function cell(photo) {
  const picture = photo.picture
    ? element("img", { src: `/photos/${photo.id}/thumbnail`, alt: "", width: 256, height: 256 })
    : element("span", { class: "quiet" }, "no picture");
  const label = element("span", { class: "words" }, element("bdi", { class: "name", title: photo.filename }, photo.filename.split("/").pop()),
    element("span", { class: "number" }, percent(photo.confidence)),
    photo.mismatch ? element("span", { class: "tag bad" }, "expected ", element("bdi", {}, photo.expected_category)) : null,
    photo.repeat_of !== null ? element("span", { class: "tag bad" }, "repeat") : null);
  const button = element("button", { class: isDoubtful(photo) ? "cell doubtful" : "cell", "aria-pressed": "false", "data-id": photo.id, title: "Click marks it as wrong, a double click enlarges it" },
    element("span", { class: "unseen" }, "Wrong: "),
    element("span", { class: "frame" }, picture), label);
  button.addEventListener("click", () => toggle(button, photo.id));
  button.addEventListener("dblclick", () => enlarge(photo));
  return element("li", {}, button);
}

function toggle(button, id) {
  if (!wrong.delete(id)) wrong.add(id);
  button.setAttribute("aria-pressed", String(wrong.has(id)));
  draw();
}

/** Show a photo as large as the screen. */
function enlarge(photo) {
  if (!photo?.picture) return;
  zoomed.querySelector("img").src = `/photos/${photo.id}/picture`;
  zoomed.querySelector("img").alt = `Photo ${photo.filename}`;
  zoomed.showModal();
}

function draw() {
  const right = photos.filter(isRight).length;
  const out = photos.length - right;
  const marked = photos.filter((photo) => wrong.has(photo.id)).length;
  acceptButton.disabled = photos.length === 0;
  acceptButton.textContent = right ? `Accept ${out ? "the other " : ""}${right}` : "None is right: next";
  undoButton.disabled = accepted.length === 0;
  giveButton.disabled = marked === 0 || !kindOf.value;
  giveButton.textContent = marked ? `Set for ${marked} marked` : "Set for the marked";
  document.getElementById("shown").textContent = `${photos.length} of ${Math.max(waiting, photos.length)}`;
}

/** Give all marked photos of the page the chosen category. */
async function giveMarked() {
  const option = kindOf.selectedOptions[0];
  const kind = option.dataset.kind ?? "category";
  const stored = [];
  giveButton.disabled = true;
  for (const photo of photos.filter((other) => wrong.has(other.id))) {
    const body = { prediction_id: photo.prediction_id, kind, category: kind === "category" ? option.value : null };
    await post(`/photos/${photo.id}/verdict`, body).then(
      (answer) => {
        stored.push(answer.review_id);
        wrong.delete(photo.id);
        photos = photos.filter((other) => other !== photo);
        grid.querySelector(`[data-id="${photo.id}"]`)?.closest("li").remove();
        waiting -= 1;
      },
      (error) => say(`Photo ${photo.id}: ${error.message}`, "bad"),
    );
  }
  if (stored.length) {
    accepted.push(stored);
    say(`${stored.length} set to ${option.textContent}`, "good");
  }
  if (photos.length === 0) await load();
  else draw();
}

async function accept() {
  const right = photos.filter(isRight);
  for (const photo of photos) if (isDoubtful(photo)) wrong.add(photo.id); // so that the next page shows others
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
  if (document.querySelector("dialog[open]")) return;
  const key = keyOf(event);
  const focused = photos.find((photo) => photo.id === Number(document.activeElement?.dataset?.id));
  if (key.startsWith("Arrow")) moveFocus(key);
  else if (key === "a" && !acceptButton.disabled) accept();
  else if (key === "u") undo();
  else if (key === "z" && focused) enlarge(focused);
  else return;
  event.preventDefault();
});
document.getElementById("retry").addEventListener("click", load);
giveButton.addEventListener("click", giveMarked);
kindOf.addEventListener("change", draw);
zoomed.addEventListener("click", () => zoomed.close());
for (const size of document.querySelectorAll("[name=size]")) {
  size.addEventListener("change", () => {
    grid.dataset.cells = size.value;
    localStorage.setItem("grid-cells", size.value);
  });
  if (size.value === (localStorage.getItem("grid-cells") ?? "medium")) {
    size.checked = true;
    grid.dataset.cells = size.value;
  }
}
acceptButton.addEventListener("click", accept);
undoButton.addEventListener("click", undo);
keepLeases({
  tab,
  seconds: Number(grid.dataset.renew),
  path: "/desk/release",
  renew: () => {
    const held = [...photos.map((photo) => photo.id), ...wrong].slice(0, 200);
    if (held.length) post("/desk/claim", { desk: tab, count: 0, held: [...new Set(held)] }).catch(() => {});
  },
});
helpOnQuestionMark();
resumed.finally(load);
