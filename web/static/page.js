// What every page does: times in the browser's own zone.
import { localTimes } from "./dom.js";

localTimes(document);
