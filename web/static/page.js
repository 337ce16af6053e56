// What every page does: show times in the time zone of the browser.
import { localTimes } from "./dom.js";

localTimes(document);
