// The upload page: drop, paste, choose or take photos. A few are sent at the same time.
import { bar, element, percent, post, say } from "./dom.js";

const AT_ONCE = 3;
const drop = document.getElementById("drop");
const answers = document.getElementById("answers");
const queue = [];
let running = 0;

function add(files) {
  for (const file of files) {
    const card = element("li", { class: "answer sheet", "aria-busy": "true" });
    const frame = element("div", { class: "frame" }, preview(file));
    const words = element("div", { class: "words" }, element("p", { class: "name" }, element("bdi", {}, file.name || "pasted picture")), element("p", { class: "quiet" }, "Waiting …"));
    card.append(frame, words);
    answers.prepend(card);
    queue.push({ file, card, frame, words });
  }
  next();
}

/** Show the photo. Formats that this browser cannot show are classified too. */
function preview(file) {
  const url = URL.createObjectURL(file);
  const image = element("img", { src: url, alt: "" });
  image.addEventListener("error", () => image.replaceWith(element("p", { class: "quiet" }, "This browser cannot show the format.")));
  return image;
}

function next() {
  while (running < AT_ONCE && queue.length) {
    running += 1;
    classify(queue.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function classify({ file, card, frame, words }) {
  const state = words.lastChild;
  state.textContent = "Asking the model …";
  try {
    if (file.size > Number(drop.dataset.largest)) throw new Error("This file is too large. Save a smaller JPEG.");
    if (file.size === 0) throw new Error("This file is empty.");
    const form = new FormData();
    form.append("file", file);
    const answer = await post("/upload/classify", form);
    state.replaceWith(...result(answer, frame));
  } catch (error) {
    state.replaceWith(element("p", { class: "notice bad", role: "alert" }, error.message));
  }
  card.setAttribute("aria-busy", "false");
}

function result(answer, frame) {
  const accepted = answer.decision === "accept";
  const why = { low_confidence: "the model is not sure", unknown_item: "perhaps none of our categories" }[answer.reason];
  const bars = element("ol", { class: "bars" }, ...answer.top.map((entry) =>
    element("li", {}, element("span", {}, entry.class), element("span", { class: "number" }, percent(entry.probability)), bar(entry.probability))));
  const map = heatMap(answer.heatmap);
  const toggle = element("button", { class: "plain", "aria-pressed": "false" }, "Show where it looked");
  toggle.addEventListener("click", () => {
    const on = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(on));
    toggle.textContent = on ? "Hide the heat map" : "Show where it looked";
    if (on) frame.append(map);
    else map.remove();
    fit(map, frame);
  });
  addEventListener("resize", () => fit(map, frame));
  return [
    element("p", {}, element("span", { class: `tag ${accepted ? "good" : "warn"}` }, accepted ? "accepted" : "for review"), why ? element("span", { class: "quiet" }, ` ${why}`) : null),
    bars,
    element("p", { class: "quiet" }, `${answer.milliseconds} ms, model ${answer.model_version} `),
    frame.querySelector("img") ? toggle : "",
  ];
}

/** Draw the heat map in its own size, which the browser enlarges smoothly. Rows come from the top, values are 0 to 1. */
function heatMap(rows) {
  const canvas = element("canvas", { class: "heat", width: rows[0].length, height: rows.length, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(rows[0].length, rows.length);
  rows.flat().forEach((value, place) => pixels.data.set([230, 30, 30, Math.round(value * 165)], place * 4));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** Put the heat map over the picture, which may be smaller than its frame. */
function fit(map, frame) {
  const image = frame.querySelector("img");
  if (!image || !map.isConnected) return;
  const scale = Math.min(frame.clientWidth / image.naturalWidth, frame.clientHeight / image.naturalHeight);
  map.style.width = `${image.naturalWidth * scale}px`;
  map.style.height = `${image.naturalHeight * scale}px`;
}

for (const id of ["files", "camera"]) {
  document.getElementById(id).addEventListener("change", (event) => {
    add(event.target.files);
    event.target.value = "";
  });
}
addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) add(files);
  else say("There is no picture in the clipboard.");
});
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
