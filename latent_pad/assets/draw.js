// The still layer (axes, prior, codes) and the moving one (marker, posterior). Both in CSS pixels; the canvas has more.

import { glyphOf, glyphPath, glyphSprite } from "./glyphs.js";

const TURN = 2 * Math.PI;

// scene: { window, plane, points, prior, layers, path, marks, theme }
export function drawStill(context, scene) {
  drawAxes(context, scene);
  if (scene.prior) drawPrior(context, scene);
  if (scene.points && (scene.layers === "codes" || scene.layers === "both")) drawCodes(context, scene);
  if (scene.path) drawPath(context, scene);
  drawTickLabels(context, scene);
}

// Steps of 1, 2 or 5 times a power of ten, some 70 pixels apart.
export function ticks(low, high, scale) {
  const wanted = 70 / scale;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * ([1, 2, 5].find((times) => times * power >= wanted) ?? 10);
  const values = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) values.push(i * step);
  return { step, values };
}

function drawAxes(context, { window, plane, theme }) {
  const { left, right, top, bottom } = window.bounds;
  const rows = plane.isLine ? [0] : ticks(bottom, top, window.scale).values;
  const lines = [
    ...ticks(left, right, window.scale).values.map((x) => [x, window.toPixel(x, 0)[0], 0, 0, window.height]),
    ...rows.map((y) => [y, 0, window.toPixel(0, y)[1], window.width, 0]),
  ];
  for (const [value, x, y, across, down] of lines) {
    context.fillStyle = theme.text;
    context.globalAlpha = value === 0 ? 0.22 : 0.07;
    context.fillRect(Math.round(x) - (down ? 0.5 : 0), Math.round(y) - (across ? 0.5 : 0), across || 1, down || 1);
  }
  context.globalAlpha = 1;
}

function drawPrior(context, { window, plane, theme }) {
  const contour = plane.prior();
  context.save();
  context.setLineDash([2, 5]);
  Object.assign(context, { strokeStyle: theme.text, lineWidth: 1.2, lineCap: "round", globalAlpha: 0.38 });
  for (const sigmas of [1, 2, 3]) {
    if (plane.isLine) drawRulers(context, window, contour, sigmas);
    else strokeEllipse(context, window, contour, sigmas);
  }
  context.restore();
}

function drawRulers(context, window, { x, a }, sigmas) {
  for (const end of [x - sigmas * a, x + sigmas * a]) {
    const px = window.toPixel(end, 0)[0];
    context.beginPath();
    context.moveTo(px, 0);
    context.lineTo(px, window.height);
    context.stroke();
  }
}

function strokeEllipse(context, window, { x, y, a, b, angle }, sigmas) {
  const [px, py] = window.toPixel(x, y);
  context.beginPath();
  // Down the screen is down the axis, so the angle turns the other way. Half a pixel keeps a collapsed axis visible.
  context.ellipse(px, py, Math.max(0.5, sigmas * a * window.scale), Math.max(0.5, sigmas * b * window.scale), -angle, 0, TURN);
  context.stroke();
}

// A walk: a line from a dot to a square.
function drawPath(context, { window, plane, path, theme }) {
  const pixels = path.map(([x, y]) => window.toPixel(x, plane.isLine ? 0 : y));
  Object.assign(context, { lineJoin: "round", lineCap: "round" });
  for (const [width, colour] of [[6, theme.background], [3, theme.text]]) {
    Object.assign(context, { lineWidth: width, strokeStyle: colour });
    context.beginPath();
    for (const [px, py] of pixels) context.lineTo(px, py);
    context.stroke();
  }
  Object.assign(context, { fillStyle: theme.text, strokeStyle: theme.background, lineWidth: 2 });
  for (const [[px, py], shape] of [[pixels[0], "circle"], [pixels.at(-1), "square"]]) {
    const end = new Path2D();
    end.addPath(glyphPath(shape, 6), new DOMMatrix().translate(px, py));
    context.stroke(end);
    context.fill(end);
  }
}

// A heat-map under everything else; heat.picture is the canvas that heatPicture made of it.
export function drawHeat(context, { window, plane, heat }) {
  const [left, right, bottom, top] = heat.box;
  const [x0, y0] = window.toPixel(left, top), [x1, y1] = window.toPixel(right, bottom);
  context.imageSmoothingEnabled = true;
  if (plane.isLine) context.drawImage(heat.picture, x0, 0, x1 - x0, window.height);
  else context.drawImage(heat.picture, x0, y0, x1 - x0, y1 - y0);
}

function drawCodes(context, { window, plane, points, layers, marks, theme }) {
  const count = points.coordinates.length;
  const radius = (count > 4000 ? 2.2 : count > 800 ? 2.8 : 3.6) * (layers === "both" ? 0.9 : 1);
  const sprites = new Map();
  const lanes = points.labels ? points.labels.reduce((most, label) => Math.max(most, label), 0) + 1 : 1;
  for (let i = 0; i < count; i++) {
    const label = points.labels ? points.labels[i] : 0;
    if (!sprites.has(label)) sprites.set(label, glyphSprite(glyphOf(label, marks), radius, theme.ratio, theme.background));
    const { canvas, size } = sprites.get(label);
    const [px, planeY] = window.toPixel(...points.coordinates[i]);
    const py = plane.isLine ? laneY(label, lanes, window.height, layers) : planeY;
    if (px < -size || py < -size || px > window.width + size || py > window.height + size) continue;
    context.drawImage(canvas, px - size / 2, py - size / 2, size, size);
  }
}

// On a line there is room for one row a class: above the decoded images where these are shown.
function laneY(label, lanes, height, layers) {
  const [from, to] = layers === "both" ? [0.05, 0.4] : [0.08, 0.82];
  return height * (from + ((to - from) * (label + 0.5)) / lanes);
}

function drawTickLabels(context, { window, plane, theme }) {
  const { left, right, top, bottom } = window.bounds;
  Object.assign(context, { font: `500 11px ${theme.font}`, fillStyle: theme.text, textBaseline: "alphabetic" });
  Object.assign(context, { strokeStyle: theme.background, lineWidth: 4, lineJoin: "round" });
  const write = (text, x, y, strong) => {
    context.globalAlpha = 0.9; // a halo of the page's colour keeps the number legible over tiles and codes
    context.strokeText(text, x, y);
    context.globalAlpha = strong ? 0.95 : 0.7;
    context.fillText(text, x, y);
  };
  const across = ticks(left, right, window.scale);
  const digits = Math.max(0, -Math.floor(Math.log10(across.step) + 1e-9));
  const format = (value) => value.toFixed(digits).replace("-", "−");
  context.textAlign = "center";
  for (const x of across.values) {
    const px = window.toPixel(x, 0)[0];
    if (px > 34 && px < window.width - 34) write(format(x), px, window.height - 9);
  }
  context.textAlign = "right";
  write(plane.labels[0], window.width - 10, window.height - 9, true);
  if (plane.isLine) return;
  context.textAlign = "left";
  for (const y of ticks(bottom, top, window.scale).values) {
    const py = window.toPixel(0, y)[1];
    if (py > 34 && py < window.height - 26) write(format(y), 9, py + 4);
  }
  write(plane.labels[1], 9, 18, true);
}

// scene: { window, plane, posterior, marker, theme }
export function drawMoving(context, { window, plane, posterior, marker, theme }) {
  context.clearRect(0, 0, window.width, window.height);
  if (posterior) drawPosterior(context, window, plane, posterior, theme);
  const [px, py] = window.toPixel(marker.x, plane.isLine ? 0 : marker.y);
  context.fillStyle = theme.primary;
  context.globalAlpha = 0.4;
  context.fillRect(Math.round(px) - 0.5, 0, 1, window.height);
  if (!plane.isLine) context.fillRect(0, Math.round(py) - 0.5, window.width, 1);
  context.globalAlpha = 1;
  const ring = (radius, width, colour) => {
    context.beginPath();
    context.arc(px, py, radius, 0, TURN);
    Object.assign(context, { strokeStyle: colour, lineWidth: width });
    context.stroke();
  };
  ring(11, 7, theme.background);
  ring(11, 3, theme.primary);
  ring(1.2, 2.4, theme.primary);
}

function drawPosterior(context, window, plane, { x, y, a, b, angle }, theme) {
  for (const [sigmas, alpha] of [[2, 0.55], [1, 0.95]]) {
    context.globalAlpha = alpha;
    for (const [width, colour] of [[4.5, theme.background], [2, theme.primary]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      if (plane.isLine) drawRulers(context, window, { x, a }, sigmas);
      else strokeEllipse(context, window, { x, y, a, b, angle }, sigmas);
    }
  }
  context.globalAlpha = 1;
}
