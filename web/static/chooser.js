// Search the categories while typing: a combobox as in the ARIA Authoring Practices.
import { element } from "./dom.js";

const OTHERS = [["Not one of ours", "not_ours"], ["Unusable photo", "unusable"]];

export class Chooser {
  /** Connect a field and a list. `choose` is called with a category, `not_ours` or `unusable`. */
  constructor(field, list, categories, choose) {
    Object.assign(this, { field, list, choose, active: 0, shown: [] });
    this.all = [...categories.map((name) => [name, name]), ...OTHERS];
    field.addEventListener("input", () => this.update());
    field.addEventListener("keydown", (event) => this.onKey(event));
    field.addEventListener("blur", () => setTimeout(() => this.hide(), 150));
    list.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) {
        event.preventDefault();
        this.take(Number(option.dataset.place));
      }
    });
  }

  /** Start a search with its first letter. */
  open(letter) {
    this.field.value = letter;
    this.field.focus();
    this.update();
  }

  clear() {
    this.field.value = "";
    this.hide();
    if (document.activeElement === this.field) this.field.blur();
  }

  hide() {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  /** List the names that begin with the typed text before those that only contain it. */
  update() {
    const typed = this.field.value.trim().toLowerCase();
    const place = ([name]) => {
      const found = name.toLowerCase().indexOf(typed);
      return found === 0 ? 0 : name.toLowerCase().includes(` ${typed}`) ? 1 : found > 0 ? 2 : 3;
    };
    this.shown = this.all.filter((entry) => place(entry) < 3).sort((a, b) => place(a) - place(b));
    this.active = 0;
    this.draw();
  }

  draw() {
    const options = this.shown.map(([name], place) =>
      element("li", { role: "option", id: `option-${place}`, "data-place": place, "aria-selected": String(place === this.active) }, name),
    );
    if (options.length === 0) options.push(element("li", { class: "quiet", role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No category has this name"));
    this.list.replaceChildren(...options);
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    if (this.shown.length) this.field.setAttribute("aria-activedescendant", `option-${this.active}`);
    this.list.children[this.active]?.scrollIntoView({ block: "nearest" });
  }

  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.list.hidden) this.update();
    else if (step && this.shown.length) {
      this.active = (this.active + step + this.shown.length) % this.shown.length;
      this.draw();
    } else if (event.key === "Enter" && !this.list.hidden) this.take(this.active);
    else if (event.key === "Escape") this.clear();
    else return;
    event.preventDefault();
  }

  take(place) {
    const entry = this.shown[place];
    if (!entry) return;
    this.clear();
    this.choose(entry[1]);
  }
}
