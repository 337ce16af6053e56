// Keys by what people mean: digits by their place on the keyboard, letters by what the key prints.
//
// The digit row of a French keyboard prints signs, so digits go by `event.code`. Letters go by what is printed on the
// key: by place, the Y of a German keyboard would be the Z of an English one. Where a key prints no Latin letter, as on
// a Greek or Cyrillic keyboard, its place counts.

/** Return the key as a digit, a lower-case letter or the browser's name; "" for a key that is held or not for the page. */
export function keyOf(event) {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return "";
  if (event.target.closest?.("input, select, textarea")) return "";
  if (event.key === "?" || event.key === "/") return event.key;
  const digit = /^(?:Digit|Numpad)([0-9])$/.exec(event.code);
  if (digit && (event.code.startsWith("Digit") || event.key === digit[1])) return digit[1];
  if (/^[a-z]$/i.test(event.key)) return event.key.toLowerCase();
  const isLetter = event.key.length === 1 && /\p{L}/u.test(event.key);
  return (isLetter && /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase()) || event.key;
}

/** Show the list of keys with "?"; the page has it as a dialog. */
export function helpOnQuestionMark() {
  const dialog = document.getElementById("help");
  if (!dialog) return;
  document.addEventListener("keydown", (event) => {
    if (keyOf(event) !== "?") return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else dialog.showModal();
  });
  document.getElementById("show-help")?.addEventListener("click", () => dialog.showModal());
}
