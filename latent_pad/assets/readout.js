// The words and numbers beside the picture, and the legend.

import { glyphOf, glyphPath } from "./glyphs.js";
import { heatAt, put, toImageData } from "./pixels.js";
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
    legend.setAttribute("aria-label", heat ? "Scale" : "Classes");
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

  // scene: { prior, points, classes, heat, cursor, posterior, drawn }; at: the point that is decoded, { x, y, z (L,) }.
  show({ prior, points, classes, heat, cursor, posterior, drawn }, at) {
    const { x, y, density, distance: distanceCell } = this.parts;
    x.textContent = signed(at.x, 3);
    y.textContent = signed(at.y, 3);
    if (prior) density.textContent = signed(logPrior(at.z), 2);
    if (heat) this.showHeat(heat, cursor ?? at);
    this.showKind(posterior, drawn, at);
    if (!points) return;
    const { index, distance } = nearest(at.z, points.codes);
    this.distance = distance;
    distanceCell.textContent = signed(distance, 3);
    if (this.shown?.index !== index || this.shown.images !== points.images) this.showNearest(points, index, classes);
  }

  // Of an image's posterior: which of its points the picture is decoded from.
  showKind(posterior, drawn, { z }) {
    const { shown } = this.parts;
    shown.hidden = !posterior;
    if (!posterior) return;
    const isMean = posterior.mu.every((mu, i) => Math.abs(mu - z[i]) < 1e-5);
    const source = drawn ? "draw z = μ + σ · ε" : isMean ? "mean μ" : "point on the plane";
    shown.textContent = `x̂ from the ${source}`;
  }

  // The heat-map's value at { x, y }: under the cursor, else at the marker.
  showHeat(heat, { x, y }) {
    const value = heatAt(heat, x, y);
    const text = value === null ? "–" : `${value >= heat.highest ? "≥ " : ""}${brief(value)}`;
    this.parts.legend.querySelector("output").value = text;
  }

  showNearest({ labels, images }, index, classes) {
    const { nearestName, thumb } = this.parts;
    const name = labels ? (classes[labels[index]] ?? String(labels[index])) : `image ${index}`;
    nearestName.textContent = name;
    this.shown = { index, images, name };
    if (!images) {
      Object.assign(thumb, { width: 1, height: 1 }); // empty until it has come
      return;
    }
    const shape = images.shape.slice(1);
    const size = shape[0] * shape[1] * shape[2];
    put(thumb, toImageData(images.data.subarray(index * size, (index + 1) * size), shape, 1));
    thumb.setAttribute("aria-label", `Nearest image: ${name}`);
  }

  // For those who hear the page: where the point came to rest, and what was encoded nearest to it.
  speak({ labels, isLine }, { x, y }, how) {
    const place = `${how}${labels[0]} ${signed(x, 2)}${isLine ? "" : `, ${labels[1]} ${signed(y, 2)}`}`;
    const near = this.shown ? `; nearest is ${this.shown.name}, ${signed(this.distance, 2)} away` : "";
    this.parts.spoken.textContent = place + near;
  }
}

const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
const brief = (value) => (value >= 10 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(2))));

// What the colours of a heat-map mean.
function scale({ label, highest, colour }) {
  const item = document.createElement("li");
  const ramp = Object.assign(document.createElement("span"), { className: "latent-pad__ramp" });
  ramp.style.setProperty("--latent-pad-heat", colour);
  const here = Object.assign(document.createElement("li"), { textContent: "here " });
  here.append(Object.assign(document.createElement("output"), { className: "latent-pad__here", ariaLive: "off" }));
  item.append("0", ramp, `${brief(highest)}  ${label}`);
  return [item, here];
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
