// The page of one photo: decide, or take a verdict back.
import { post, say } from "./dom.js";

const { photo, prediction } = document.getElementById("photo").dataset;

async function act(path, body) {
  try {
    await post(path, body);
    location.reload();
  } catch (error) {
    say(error.message, "bad");
  }
}

document.getElementById("decide")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const option = event.target.choice.selectedOptions[0];
  const kind = option.dataset.kind ?? "category";
  act(`/photos/${photo}/verdict`, { prediction_id: Number(prediction), kind, category: kind === "category" ? option.value : null });
});
for (const button of document.querySelectorAll("[data-undo]")) {
  button.addEventListener("click", () => act(`/verdicts/${button.dataset.undo}/undo`, {}));
}
