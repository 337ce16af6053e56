// A run in progress: fetch the page again while somebody looks at it, until the run is over.
import { localTimes } from "./dom.js";

const EVERY = 4000;

async function refresh() {
  const shown = document.getElementById("run");
  if (!document.hidden) {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("run");
    if (fresh) {
      localTimes(fresh);
      shown.replaceWith(fresh);
      if (fresh.dataset.status !== "running") return;
    }
  }
  setTimeout(refresh, EVERY);
}

setTimeout(refresh, EVERY);
