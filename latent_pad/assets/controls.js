// Hands on the plane: mouse, pen and touch in one path, keys, wheel and pinch. The wheel scrolls the page, unless the plane has
// the focus or Ctrl is held.
//
// calls: { moveTo(px, py), step(dx, dy), zoom(factor, px, py), pan(dx, dy), reset(), hover(px, py), settle() }, pixels in the
// plane's own coordinates. settle() comes when a hand lets go, hover() with nothing when it leaves or takes hold.

const KEY_REST = 300; // milliseconds without a key press after which the point counts as settled
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Controls {
  constructor(element, calls, signal) {
    Object.assign(this, { element, calls, pointers: new Map(), panning: false, moved: false, timer: 0 });
    const listen = (type, handler) => element.addEventListener(type, handler.bind(this), { signal, passive: false });
    listen("pointerdown", this.down);
    listen("pointermove", this.move);
    listen("pointerup", this.up);
    listen("pointercancel", this.up);
    listen("pointerleave", () => calls.hover());
    listen("wheel", this.wheel);
    listen("dblclick", () => calls.reset());
    listen("keydown", this.key);
    listen("blur", () => this.rest(0));
    signal.addEventListener("abort", () => clearTimeout(this.timer));
  }

  // Whether a hand is at it: then nobody else moves the marker.
  get busy() {
    return this.pointers.size > 0 || this.timer !== 0;
  }

  place(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left - this.element.clientLeft, event.clientY - box.top - this.element.clientTop];
  }

  down(event) {
    if (event.button > 1) return;
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      // a synthetic event has no pointer to capture; the drag then ends at the edge
    }
    this.calls.hover();
    this.pointers.set(event.pointerId, this.place(event));
    this.panning = event.shiftKey || event.button === 1 || this.pointers.size > 1;
    if (this.panning) return;
    this.moved = true;
    this.calls.moveTo(...this.place(event));
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    const now = this.place(event);
    if (!before) return void this.calls.hover(...now);
    this.pointers.set(event.pointerId, now);
    if (this.pointers.size > 1) this.pinch(event.pointerId, before, now);
    else if (this.panning) this.calls.pan(now[0] - before[0], now[1] - before[1]);
    else this.calls.moveTo(...now);
  }

  // Two fingers: half of a finger's way moves the middle between them, their distance zooms around it.
  pinch(id, before, now) {
    const other = [...this.pointers].find(([otherId]) => otherId !== id)[1];
    const distance = (point) => Math.max(10, Math.hypot(point[0] - other[0], point[1] - other[1]));
    this.calls.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.calls.zoom(distance(before) / distance(now), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return; // the last finger of a pinch goes on panning
    if (this.moved) this.calls.settle();
    this.moved = false;
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !this.element.matches(":focus")) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    // A trackpad's pinch arrives as a wheel with ctrlKey and small steps.
    this.calls.zoom(Math.exp(Math.max(-60, Math.min(60, pixels)) * (event.ctrlKey ? 0.01 : 0.003)), ...this.place(event));
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in ARROWS) {
      const [dx, dy] = ARROWS[event.key];
      const size = event.shiftKey ? 10 : 1;
      this.calls.step(dx * size, dy * size);
      this.rest(KEY_REST);
    } else if (event.key === "+" || event.key === "=") this.calls.zoom(0.8);
    else if (event.key === "-") this.calls.zoom(1.25);
    else if (event.key === "0") this.calls.reset();
    else return;
    event.preventDefault();
  }

  rest(milliseconds) {
    if (milliseconds === 0 && this.timer === 0) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.calls.settle();
    }, milliseconds);
  }
}
