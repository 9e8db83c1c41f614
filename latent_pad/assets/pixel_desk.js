// The desk of Pixels: a picture that a model draws pixel by pixel, its surprise, and twelve ways to finish its upper rows.
//
// data: { painter: digest, image: levels of the start picture or null, rows: how many rows are known, speed: pixels a second
// (0: at once), field: { number, pixel, values } or null }. It reports { number, pixel, image }, where a pixel was asked about.

import { buildPainter, drawnLevel, nats, probabilities } from "./painter.js";
import { hold, release } from "./store.js";

const BUDGET = 10; // milliseconds of a frame
const WAYS = 12;
const desks = new WeakMap(); // parentElement -> Desk
const HTML = `
  <div class="pixel-desk">
    <div class="pixel-desk__tools" role="group" aria-label="The picture">
      <button data-do="draw">Draw a digit</button><button data-do="finish">Finish twelve ways</button>
      <button data-do="clear">Clear</button>
      <label><input type="radio" name="mode" value="hand" checked> Draw by hand</label>
      <label><input type="radio" name="mode" value="ask"> Ask a pixel</label>
    </div>
    <div class="pixel-desk__pictures">
      <figure class="st-key-pixels_canvas"><canvas data-part="picture" tabindex="0" role="application"
        aria-label="The picture, 28 x 28 pixels. Arrow keys move, Enter inks a pixel or asks about it."></canvas>
        <figcaption data-part="asked" aria-live="polite">Above the line is yours, below it is the model's.</figcaption></figure>
      <figure><canvas data-part="heat" role="img" aria-label="Nats of each pixel"></canvas>
        <figcaption data-part="sum">Surprise: light is many nats.</figcaption></figure>
    </div>
    <div class="pixel-desk__sheet st-key-pixels_sheet" role="group" aria-label="Twelve ways to finish it"></div>
    <p role="status" aria-live="polite" data-part="said"></p>
  </div>`;

export default function render({ parentElement, data, setStateValue }) {
  if (!desks.has(parentElement)) desks.set(parentElement, new Desk(parentElement));
  const desk = desks.get(parentElement);
  desk.send = (report) => setStateValue("asked", report);
  desk.update(data);
  return () =>
    setTimeout(() => {
      if (parentElement.isConnected) return;
      desk.destroy();
      desks.delete(parentElement);
    }, 0);
}

class Desk {
  constructor(parent) {
    const holder = Object.assign(document.createElement("div"), { innerHTML: HTML });
    this.root = holder.firstElementChild;
    parent.append(holder);
    this.parts = Object.fromEntries([...this.root.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
    this.cursor = 0;
    const picture = this.parts.picture;
    picture.addEventListener("pointerdown", (event) => {
      picture.setPointerCapture(event.pointerId);
      this.press(this.under(event), true);
    });
    picture.addEventListener("pointermove", (event) => event.buttons && this.isHand() && this.press(this.under(event), true));
    picture.addEventListener("keydown", (event) => this.key(event));
    for (const change of ["focus", "blur"]) picture.addEventListener(change, () => this.show());
    this.root.addEventListener("click", ({ target }) => target.dataset.do && this[target.dataset.do]());
  }

  destroy() {
    this.stop();
    release(this);
    this.root.parentElement.remove();
  }

  isHand = () => this.root.querySelector("[name=mode]:checked").value === "hand";
  say = (words) => (this.parts.said.textContent = words);

  async update(data) {
    const former = this.data ?? {};
    this.data = data;
    if (former.painter !== data.painter) {
      this.stop();
      release(this, [data.painter]);
      try {
        const content = await hold(this, data.painter)[0];
        if (this.data !== data && this.data.painter !== data.painter) return;
        this.painter = buildPainter(content);
      } catch (problem) {
        return this.say(`The model could not be fetched (${problem.message}); reload the page.`);
      }
    }
    if (!this.painter) return;
    if (!this.image || this.image.length !== this.painter.pixels || String(former.image) !== String(data.image)) {
      this.image = Float32Array.from(data.image ?? new Array(this.painter.pixels).fill(0));
      this.surprise = new Float32Array(this.painter.pixels);
      this.finish();
    } else if (former.painter !== data.painter || former.rows !== data.rows) this.finish();
    this.show();
  }

  // --- what a person does ---

  under({ clientX, clientY }) {
    const box = this.parts.picture.getBoundingClientRect();
    const at = (share, size) => Math.min(Math.max(Math.floor(share * size), 0), size - 1);
    const { width, height } = this.painter;
    return at((clientY - box.top) / box.height, height) * width + at((clientX - box.left) / box.width, width);
  }

  press(pixel, wide) {
    this.cursor = pixel;
    if (!this.isHand()) return this.ask(pixel);
    const { width } = this.painter;
    for (const near of wide ? [pixel, pixel + 1, pixel + width, pixel + width + 1] : [pixel]) {
      if (near < this.data.rows * width) this.image[near] = wide ? 1 : 1 - this.image[near];
    }
    this.finish();
  }

  key(event) {
    const { width, pixels } = this.painter ?? {};
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width };
    if (event.key in steps) {
      const there = this.cursor + steps[event.key];
      if (there >= 0 && there < pixels) this.cursor = there;
    } else if (event.key === "Enter" || event.key === " ") this.press(this.cursor, false);
    else return;
    event.preventDefault();
    this.show();
  }

  ask(pixel) {
    const state = this.painter.begin();
    let logits;
    for (let i = 0; i <= pixel; i++) logits = state.step(this.image, i);
    const { levels, width } = this.painter;
    const chances = probabilities(logits, levels);
    const where = `Row ${Math.floor(pixel / width) + 1}, column ${(pixel % width) + 1}`;
    const told = levels === 2 ? `ink with probability ${chances[1].toFixed(4)}`
      : chances.map((chance, k) => `level ${k}: ${chance.toFixed(3)}`).join(", ");
    this.parts.asked.textContent = `${where}: ${told}, given those before it.`; // it is spoken, too
    this.number = Date.now();
    this.send({ number: this.number, pixel, image: Array.from(this.image) });
    this.show();
  }

  clear() {
    this.image.fill(0);
    this.finish();
  }

  // --- what the model does, a bit in each frame ---

  stop() {
    cancelAnimationFrame(this.request);
  }

  run(task, speed, done) {
    this.stop();
    this.number = null;
    let [owed, before] = [0, performance.now()];
    const frame = (now) => {
      const end = performance.now() + BUDGET;
      owed = speed ? owed + ((now - before) / 1000) * speed : Infinity;
      before = now;
      let over = false;
      while (!over && owed >= 1 && performance.now() < end) {
        over = task.next().done;
        owed -= 1;
      }
      this.show();
      if (over) done();
      else this.request = requestAnimationFrame(frame);
    };
    this.request = requestAnimationFrame(frame);
  }

  draw() {
    this.image.fill(0);
    this.surprise.fill(0);
    this.run(this.painted(this.image, this.painter.begin(), 0, this.surprise), this.data.speed, () => {
      this.tellSum();
      this.say(`A digit is drawn. ${this.parts.sum.textContent}`);
    });
  }

  *painted(canvas, state, first, surprise) {
    const { pixels, levels } = this.painter;
    for (let i = first; i < pixels; i++) {
      const logits = state.step(canvas, i);
      canvas[i] = drawnLevel(logits, Math.random(), levels);
      if (surprise) surprise[i] = nats(logits, canvas[i], levels);
      yield;
    }
  }

  // Of the picture that is shown, and then twelve pictures: what is known is computed once for all.
  finish() {
    this.run(this.finished(), 0, () => this.say(`Twelve ways to finish it are drawn. ${this.parts.sum.textContent}`));
  }

  *finished() {
    const { pixels, levels, width } = this.painter;
    const known = this.data.rows * width;
    const state = this.painter.begin();
    let start = state.fork();
    for (let i = 0; i < pixels; i++) {
      if (i === known) start = state.fork();
      this.surprise[i] = nats(state.step(this.image, i), this.image[i], levels);
      yield;
    }
    this.tellSum();
    if (known >= pixels) return;
    this.ways = Array.from({ length: WAYS }, () => this.image.map((value, i) => (i < known ? value : 0)));
    for (const way of this.ways) yield* this.painted(way, start.fork(), known);
  }

  tellSum() {
    const sum = this.surprise.reduce((total, each) => total + each, 0);
    this.parts.sum.textContent = `Surprise: ${sum.toFixed(1)} nats in all; light is many.`;
  }

  // --- the screen ---

  show() {
    if (!this.image) return;
    const { width } = this.painter;
    const { rows } = this.data;
    const field = this.data.field?.number === this.number ? this.data.field : null; // of this picture as it is
    put(this.parts.picture, this.image, this.painter, (value, i) => {
      const looked = field?.values[i] ?? 0;
      const grey = 255 * value * (i < rows * width ? 1 : 0.86) + (i < rows * width ? 0 : 20);
      const there = i === field?.pixel || (i === this.cursor && this.parts.picture.matches(":focus-visible"));
      return there ? [255, 140, 0] : [grey * (1 - looked), grey * (1 - looked) + 190 * looked, grey * (1 - looked) + 220 * looked];
    });
    put(this.parts.heat, this.surprise, this.painter, (value) => {
      const heat = Math.min(value / 3, 1);
      return [255 * Math.min(1, 1.6 * heat), 255 * heat ** 1.6, 255 * (0.35 * Math.sin(Math.PI * heat) + 0.6 * heat ** 6)];
    });
    const sheet = this.root.querySelector(".pixel-desk__sheet");
    (this.ways ?? []).forEach((way, n) => {
      const canvas = sheet.children[n] ?? sheet.appendChild(document.createElement("canvas"));
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Finished, way ${n + 1}`);
      put(canvas, way, this.painter, (value) => [255 * value, 255 * value, 255 * value]);
    });
  }
}

function put(canvas, values, { width, height }, colour) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const picture = new ImageData(width, height);
  values.forEach((value, i) => picture.data.set([...colour(value, i), 255], 4 * i));
  canvas.getContext("2d").putImageData(picture, 0, 0);
}
