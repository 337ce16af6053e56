// What the returns desk shows of one return: photos, findings, the earlier photo of a repeat, reasons for a hold.
import { bar, element, localTimes, percent } from "./dom.js";

export const REASONS = [
  ["not_what_was_ordered", "not what was ordered"],
  ["same_item", "same item as another return"],
  ["unusable_photos", "unusable photos"],
  ["damaged", "damaged"],
  ["other", "another reason"],
];
const FINDINGS = {
  match: ["fits", "good"], unsure: ["unsure", "warn"], mismatch: ["mismatch", "bad"], repeat: ["repeat", "bad"],
  unusable: ["unusable", "warn"], refused: ["not what was ordered", "bad"], failed: ["could not be read", "warn"],
};
const MISSING = {
  never: "No picture was kept of this photo, because the model was sure.",
  lost: "The picture of this photo is lost.",
};
const REOPENED = { new_photos: "Photos came after the decision.", missing_item: "Not every ordered item is on a photo.", unusable_photos: "All photos are unusable." };
const at = (id) => document.getElementById(id);
const short = (filename) => filename.split("/").pop();
const when = (moment) => element("time", { datetime: moment }, `${moment.slice(0, 16).replace("T", " ")} UTC`);

/** Return a tag for what a photo says about its return. */
function tag(finding) {
  const [words, kind] = FINDINGS[finding] ?? [finding, ""];
  return element("span", { class: `tag ${kind}` }, words);
}

function age(moment) {
  const hours = Math.max((Date.now() - new Date(moment).getTime()) / 3_600_000, 0);
  if (hours < 1) return "less than an hour";
  if (hours < 48) return `${Math.floor(hours)} h`;
  return `${Math.floor(hours / 24)} days`;
}

/** Draw a return, with its most urgent photo on the stage. */
export function drawReturn(item, viewers) {
  const { card, said } = item;
  const urgent = ["mismatch", "repeat", "refused", "unsure", "failed", "unusable"];
  const open = urgent.map((finding) => card.items.find((photo) => photo.finding === finding && !(photo.earlier?.verdict)));
  const same = card.items.find((photo) => photo.photo_id === item.photo?.photo_id && !photo.verdict);
  at("title").replaceChildren(element("a", { href: `/returns/${encodeURIComponent(card.return_key)}` }, card.return_id ?? `Photo ${card.return_key.slice(2)}`));
  at("facts").replaceChildren(...facts(card, said));
  at("flag").setAttribute("aria-pressed", String(Boolean(card.flagged)));
  at("reasons").replaceChildren(...REASONS.map(([name, words], place) =>
    element("button", { class: name === card.suggested ? "verdict no" : "verdict", "data-reason": name },
      element("kbd", {}, String(place + 1)), name === card.suggested ? element("kbd", {}, "N") : null, ` ${words}`)));
  at("strip").replaceChildren(...(card.items.length > 1 ? card.items.map(cell) : []));
  for (const button of at("verdicts").querySelectorAll("button")) button.disabled = Boolean(said);
  at("panel").dataset.return = card.return_key;
  select(item, same ?? open.find(Boolean) ?? card.items[0], viewers);
}

function facts(card, said) {
  const notes = [];
  const words = [...new Set(card.items.map((photo) => photo.shop_category).filter(Boolean))];
  const line = element("p", { class: "ordered" }, element("span", { class: "quiet" }, "Ordered "), element("b", {}, card.ordered ?? "not known"));
  if (words.length && words.join() !== card.ordered) line.append(element("bdi", { class: "quiet" }, ` “${words.join("”, “")}”`));
  const pictured = card.items.find((photo) => photo.product?.picture);
  if (pictured) {
    const image = element("img", { src: `/photos/${pictured.photo_id}/product`, alt: "The shop's picture of what was ordered" });
    notes.push(element("div", { class: "product" }, element("a", { href: `/photos/${pictured.photo_id}/product`, target: "_blank", rel: "noopener" }, image), line));
  } else notes.push(line);
  const broken = card.items.find((photo) => photo.product && !photo.product.picture);
  if (broken && !pictured) notes.push(element("p", { class: "quiet" }, `The shop's picture is missing: ${broken.product.problem ?? broken.product.path}`));
  if (said) notes.push(element("p", { class: "notice good" }, `You decided: ${said}. `, element("kbd", {}, "U"), " takes it back."));
  const counted = Object.entries({ mismatches: "mismatch", repeats: "repeat", refused: "refused", unsure: "unsure", failed: "failed", unusable: "unusable", matching: "match" });
  const tags = counted.filter(([name]) => card[name]).map(([name, finding]) => {
    const made = tag(finding);
    if (card.photos > 1) made.prepend(`${card[name]} `);
    return made;
  });
  if (card.flagged) tags.push(element("span", { class: "tag warn" }, "flagged"));
  notes.push(element("p", { class: "tags" }, ...tags, element("span", { class: "quiet" }, `waits ${age(card.first_seen)}`)));
  if (REOPENED[card.reason]) notes.push(element("p", { class: "notice warn" }, REOPENED[card.reason]));
  if (card.asked_by) notes.push(element("p", { class: "notice warn" }, element("b", {}, card.asked_by), " asked the lead."));
  if (card.note) notes.push(element("p", { class: "notice" }, "Note: ", element("bdi", { class: "wrap" }, card.note)));
  return notes;
}

function picture(photo, size) {
  return element("img", { src: `/photos/${photo.photo_id ?? photo.id}/${size}`, alt: `Photo ${photo.filename}`, draggable: "false" });
}

function cell(photo) {
  const image = photo.picture === "kept" ? element("img", { src: `/photos/${photo.photo_id}/thumbnail`, alt: "", width: 256, height: 256 }) : element("span", { class: "quiet" }, "no picture");
  return element("li", {}, element("button", { class: "cell", "data-photo": photo.photo_id, title: photo.filename },
    element("span", { class: "frame" }, image),
    element("span", { class: "words" }, element("span", {}, photo.final_category ?? "–"), tag(photo.finding))));
}

/** Put one photo of the return on the stage, beside the photo that it repeats. */
export function select(item, photo, viewers) {
  item.photo = photo;
  fill(at("frame"), photo, viewers[0], MISSING[photo.picture]);
  const said = photo.verdict ? ` · ${photo.verdict.reviewer}: ${photo.verdict.to_class ?? photo.verdict.verdict.replace("_", " ")}` : "";
  at("caption").replaceChildren(element("bdi", { class: "name", title: photo.filename }, short(photo.filename)), tag(photo.finding), element("span", { class: "quiet" }, said));
  const { earlier } = photo;
  at("earlier").hidden = !earlier;
  at("pair").classList.toggle("two", Boolean(earlier));
  at("pair-verdicts").hidden = !earlier || Boolean(earlier.verdict);
  if (earlier) drawEarlier(photo, earlier, viewers[1]);
  for (const button of at("strip").querySelectorAll("button")) button.setAttribute("aria-current", String(Number(button.dataset.photo) === photo.photo_id));
  drawChoices(photo);
}

function drawEarlier(photo, earlier, viewer) {
  fill(at("earlier-frame"), earlier, viewer, "There is no picture of the earlier photo: its file was gone when the repeat was found.");
  const state = earlier.state?.final_decision ? `, ${earlier.state.final_decision}` : "";
  const verdict = { same_item: "Same item", another_item: "Another item" }[earlier.verdict];
  at("earlier-caption").replaceChildren(
    element("span", { class: "tag warn" }, photo.repeat_kind === "exact" ? "the same picture" : "nearly the same picture"), " came before: ",
    element("a", { href: `/returns/${encodeURIComponent(earlier.return_key)}`, target: "_blank", rel: "noopener" }, earlier.return_id || `photo ${earlier.id}`),
    element("span", {}, state, ", "), when(earlier.created_at), verdict ? element("span", { class: "tag" }, verdict) : "");
  at("caption").append(element("span", { class: "quiet" }, " "), when(photo.created_at));
  localTimes(at("pair"));
}

function fill(frame, photo, viewer, missing) {
  if (photo.picture !== "kept") {
    viewer.show(null);
    frame.replaceChildren(element("p", { class: "quiet" }, missing));
    return;
  }
  const shown = picture(photo, "picture");
  shown.addEventListener("error", () => {
    photo.picture = "lost";
    shown.replaceWith(element("p", { class: "quiet" }, MISSING.lost));
  });
  frame.replaceChildren(shown);
  viewer.show(shown);
}

function drawChoices(photo) {
  const isDone = Boolean(photo.verdict) || photo.prediction_id === null;
  const others = [["not_ours", "Not one of ours", 4], ["unusable", "Unusable photo", 5]];
  const choices = photo.top.map((entry, place) => choice(String(place + 1), entry.class, entry.class, entry.probability, isDone));
  at("top").replaceChildren(...choices, ...others.map(([name, words, key]) => choice(String(key), name, words, null, isDone)));
  at("category").disabled = isDone;
  at("photo-title").textContent = photo.prediction_id === null ? `Could not be read: ${photo.error_code ?? "unknown"}` : photo.verdict ? "You know what this photo shows" : "This photo shows";
}

function choice(key, name, words, probability, disabled) {
  const number = probability === null ? null : element("span", { class: "number" }, percent(probability));
  return element("li", {}, element("button", { class: "choice", "data-category": name, disabled }, element("kbd", {}, key), element("span", { class: "label" }, words), number, probability === null ? null : bar(probability)));
}

/** Return true if the picture on the stage has been shown. */
export function wasSeen() {
  const shown = at("frame").querySelector("img");
  return Boolean(shown?.complete && shown.naturalWidth > 0);
}

/** Return why a return must not be cleared by a plain key: a photo that matters has no picture. Null if nothing is amiss. */
export function needsCare(card) {
  const missing = card.items.filter((photo) => photo.picture !== "kept" && photo.finding !== "match");
  if (missing.length) return missing.length === 1 ? "A photo of this return has no picture." : `${missing.length} photos of this return have no picture.`;
  return card.items.some((photo) => photo.picture === "kept") ? null : "No picture of this return was kept.";
}
