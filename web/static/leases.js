// The leases of a tab on what it shows: renewed while the tab is open, given back when it is left.
import { post } from "./dom.js";

/**
 * Keep the leases of a tab.
 *
 * @param tab the name under which the server leases to this tab
 * @param seconds between two renewals
 * @param path where the leases are given back
 * @param renew asks the server to renew them
 * @param comeBack asks again when the browser brings the page back from its cache; nothing happens without it
 */
export function keepLeases({ tab, seconds, path, renew, comeBack = () => {} }) {
  setInterval(renew, seconds * 1000);
  addEventListener("pagehide", () => {
    post(path, { desk: tab }, { keepalive: true }).catch(() => {});
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) comeBack();
  });
}
