// The plane decoded on a grid, a few milliseconds of it at each animation frame, so that a drag is never held up.
//
// The grid is fixed to the plane: tile (i, j) is the image at (i, j) * step. Zooming halves or doubles the step when tiles
// get too large or too small; what was decoded before is kept.

import { channelsOf, isDrawing, put, toImageData, toInk } from "./pixels.js";

const SMALLEST = 30; // pixels a tile; the largest is twice that
const MOST_KEPT = 6000;

export class Tiles {
  constructor() {
    this.kept = new Map(); // "step i j" -> canvas
    this.clear();
  }

  clear() {
    this.kept.clear();
    this.queue = [];
    this.drawing = undefined; // see isDrawing; asked once, of the first tile
  }

  // Draws what is there and queues what is not, from the marker outwards.
  draw(context, scene) {
    const { decoder, plane, window, marker, layers, theme } = scene;
    this.queue = [];
    if (!decoder || layers === "codes" || layers === "heat") return;
    if (this.inkColour !== theme.text) this.kept.clear(); // light has become dark
    this.inkColour = theme.text;
    this.ink = channelsOf(theme.text);
    const step = 2 ** Math.ceil(Math.log2(SMALLEST / window.scale));
    const { left, right, top, bottom } = window.bounds;
    const [low, high] = plane.isLine ? [0, 0] : [Math.floor(bottom / step), Math.ceil(top / step)];
    for (let j = low; j <= high; j++) {
      for (let i = Math.floor(left / step); i <= Math.ceil(right / step); i++) {
        const tile = { x: i * step, y: j * step, step, name: `${step} ${i} ${j}` };
        if (this.kept.has(tile.name)) this.place(context, scene, tile);
        else this.queue.push(tile);
      }
    }
    const far = (tile) => Math.hypot(tile.x - marker.x, tile.y - marker.y);
    this.queue.sort((a, b) => far(b) - far(a)); // taken from the end
  }

  // Decodes for some milliseconds, at least one tile. True while there is more to do.
  work(context, scene, milliseconds) {
    const { decoder, plane } = scene;
    const until = performance.now() + milliseconds;
    while (this.queue.length) {
      const tile = this.queue.pop();
      if (this.kept.size > MOST_KEPT) this.kept.clear();
      const values = decoder.decode(plane.point(tile.x, tile.y));
      this.drawing ??= isDrawing(values, decoder.imageShape);
      const canvas = document.createElement("canvas");
      put(canvas, this.drawing ? toInk(values, decoder.imageShape, this.ink) : toImageData(values, decoder.imageShape));
      this.kept.set(tile.name, canvas);
      this.place(context, scene, tile);
      if (performance.now() > until) break;
    }
    return this.queue.length > 0;
  }

  place(context, { window, plane, prior, layers }, { x, y, step, name }) {
    const canvas = this.kept.get(name);
    const side = step * window.scale * 0.94;
    const shrink = side / Math.max(canvas.width, canvas.height);
    const [width, height] = [canvas.width * shrink, canvas.height * shrink];
    const [px, py] = window.toPixel(x, y);
    const sigmas = prior ? plane.priorDistance(x, y) : 0;
    const faded = 1 - 0.72 * Math.min(1, Math.max(0, (sigmas - 2.6) / 1.8)); // beyond the prior nothing was ever learned
    context.globalAlpha = faded * (layers === "both" ? 0.46 : 0.92);
    context.drawImage(canvas, px - width / 2, py - height / 2, width, height);
  }
}
