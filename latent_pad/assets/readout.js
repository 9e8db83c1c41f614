// The words and numbers beside the picture, and the legend.

import { glyphOf, glyphPath } from "./glyphs.js";
import { put, toImageData } from "./pixels.js";
import { logPrior, nearest } from "./plane.js";

const MOST_IN_LEGEND = 20;

// parts: the pad's nodes by their data-part.
export class Readout {
  constructor(parts) {
    this.parts = parts;
  }

  // What stays while the point moves: the words, the legend, and which numbers there are.
  describe({ plane, prior, classes, layers, heat, pictures, ...marks }, { points, problem }) {
    const { labelX, labelY, rowY, rowDensity, rowNearest, nearest, notice, decoded, legend } = this.parts;
    [labelX.textContent, labelY.textContent] = plane.labels;
    rowY.hidden = !plane.v;
    rowDensity.hidden = !prior;
    rowNearest.hidden = !points;
    nearest.hidden = !pictures;
    this.shown = null; // the nearest image that is
    notice.hidden = !problem;
    notice.textContent = problem ? `Decoded on the server, because ${problem}. The image follows when you let go.` : "";
    decoded.setAttribute("aria-busy", "false");
    const dots = points?.labels && (layers === "codes" || layers === "both");
    legend.replaceChildren(...(heat ? scale(heat) : dots ? entries(classes, marks) : []));
    legend.hidden = legend.childElementCount === 0;
  }

  // Until what is to be shown has arrived.
  wait() {
    this.parts.decoded.setAttribute("aria-busy", "true");
  }

  // It did not, or is not what it should be.
  lament({ message }) {
    const { notice, decoded } = this.parts;
    notice.hidden = false;
    notice.textContent = `The pad's data did not arrive (${message}). Reload this page.`;
    decoded.setAttribute("aria-busy", "false");
  }

  // scene: { prior, points, classes, marker }; z (L,).
  show({ prior, points, classes, marker }, z) {
    const { x, y, density, distance: distanceCell } = this.parts;
    x.textContent = signed(marker.x, 3);
    y.textContent = signed(marker.y, 3);
    if (prior) density.textContent = signed(logPrior(z), 2);
    if (!points) return;
    const { index, distance } = nearest(z, points.codes);
    distanceCell.textContent = signed(distance, 3);
    if (this.shown?.index !== index || this.shown.images !== points.images) this.showNearest(points, index, classes);
  }

  showNearest({ labels, images }, index, classes) {
    const { nearestName, thumb } = this.parts;
    const name = labels ? (classes[labels[index]] ?? String(labels[index])) : `image ${index}`;
    nearestName.textContent = name;
    this.shown = { index, images };
    if (!images) {
      Object.assign(thumb, { width: 1, height: 1 }); // empty until it has come
      return;
    }
    const shape = images.shape.slice(1);
    const size = shape[0] * shape[1] * shape[2];
    put(thumb, toImageData(images.data.subarray(index * size, (index + 1) * size), shape, 1));
    thumb.setAttribute("aria-label", `Nearest image: ${name}`);
  }

  // For those who hear the page: where the point came to rest.
  speak({ labels, isLine }, { x, y }) {
    this.parts.spoken.textContent = `${labels[0]} ${signed(x, 2)}${isLine ? "" : `, ${labels[1]} ${signed(y, 2)}`}`;
  }
}

const signed = (value, digits) => value.toFixed(digits).replace("-", "−");

// What the colours of a heat-map mean.
function scale({ label, highest, colour }) {
  const item = document.createElement("li");
  const ramp = Object.assign(document.createElement("span"), { className: "latent-pad__ramp" });
  ramp.style.setProperty("--latent-pad-heat", colour);
  item.append("0", ramp, `${highest}  ${label}`);
  return [item];
}

function entries(classes, marks) {
  const items = classes.slice(0, MOST_IN_LEGEND).map((name, label) => {
    const item = document.createElement("li");
    item.append(mark(glyphOf(label, marks)), name);
    return item;
  });
  if (classes.length <= MOST_IN_LEGEND) return items;
  const more = Object.assign(document.createElement("li"), { textContent: `and ${classes.length - MOST_IN_LEGEND} more` });
  return [...items, more];
}

function mark({ colour, shape }) {
  const ratio = 2;
  const canvas = Object.assign(document.createElement("canvas"), { width: 14 * ratio, height: 14 * ratio });
  canvas.setAttribute("aria-hidden", "true");
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 7 * ratio, 7 * ratio);
  context.fillStyle = colour;
  context.fill(glyphPath(shape, 4));
  return canvas;
}
