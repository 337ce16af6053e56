// The page of one return: note, flag, take a decision back.
import { post, say } from "./dom.js";

const place = document.getElementById("return");
const { key } = place.dataset;

async function act(path, body) {
  try {
    await post(path, { key, ...body });
    location.reload();
  } catch (error) {
    say(error.message, "bad");
  }
}

document.getElementById("take-back")?.addEventListener("click", () => act("/desk/returns/undo", {}));
document.getElementById("flag").addEventListener("click", (event) => {
  const isFlagged = event.currentTarget.getAttribute("aria-pressed") === "true";
  act("/desk/returns/mark", { kind: isFlagged ? "unflagged" : "flagged" });
});
document.getElementById("note-form").addEventListener("submit", (event) => {
  event.preventDefault();
  act("/desk/returns/mark", { kind: "note", text: event.target.text.value });
});
