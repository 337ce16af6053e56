// Zoom, pan and rotate a picture in its frame. Only the view changes; the picture stays as it is.

const STEPS = [1, 2.5, 5];

export class Viewer {
  /** Give a frame its gestures: wheel, drag, double click or double tap. */
  constructor(frame) {
    Object.assign(this, { frame, scale: 1, turn: 0, x: 0, y: 0, picture: null, drag: null, tapped: 0 });
    frame.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    frame.addEventListener("dblclick", () => this.zoom());
    frame.addEventListener("pointerdown", (event) => this.onDown(event));
    frame.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, () => (this.drag = null));
  }

  /** Show another picture, upright and whole. */
  show(picture) {
    Object.assign(this, { picture, scale: 1, turn: 0, x: 0, y: 0, drag: null });
    this.apply();
  }

  /** Go to the next step of magnification, and from the last one back to the whole picture. */
  zoom() {
    const next = STEPS.find((step) => step > this.scale + 0.01) ?? 1;
    this.scaleTo(next);
  }

  /** Turn the picture by a quarter, clockwise. */
  rotate() {
    this.turn = (this.turn + 90) % 360;
    this.apply();
  }

  scaleTo(scale) {
    this.scale = Math.min(Math.max(scale, 1), 8);
    if (this.scale === 1) Object.assign(this, { x: 0, y: 0 });
    this.apply();
  }

  onWheel(event) {
    if (!this.picture || event.ctrlKey) return;
    event.preventDefault();
    this.scaleTo(this.scale * (event.deltaY < 0 ? 1.25 : 0.8));
  }

  onDown(event) {
    if (!this.picture || this.scale === 1) return;
    this.drag = { x: event.clientX - this.x, y: event.clientY - this.y };
    this.frame.setPointerCapture(event.pointerId);
  }

  onMove(event) {
    if (!this.drag) return;
    const reach = { x: (this.frame.clientWidth * this.scale) / 2, y: (this.frame.clientHeight * this.scale) / 2 };
    this.x = Math.min(Math.max(event.clientX - this.drag.x, -reach.x), reach.x);
    this.y = Math.min(Math.max(event.clientY - this.drag.y, -reach.y), reach.y);
    this.apply();
  }

  apply() {
    this.frame.classList.toggle("zoomed", this.scale > 1);
    if (!this.picture) return;
    const isAcross = this.turn % 180 !== 0;
    const { clientWidth: width, clientHeight: height } = this.frame;
    const fit = isAcross && width && height ? Math.min(width, height) / Math.max(width, height) : 1;
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) rotate(${this.turn}deg) scale(${this.scale * fit})`;
  }
}
