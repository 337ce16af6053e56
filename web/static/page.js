// What every page does: show times in the time zone of the browser.
import { localTimes } from "./dom.js";

localTimes(document);

// The days of a search are those of the reader.
for (const field of document.querySelectorAll("input[name=zone]")) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}
