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

// scene: { window, plane, posterior, drawn, at, marker, theme }
export function drawMoving(context, scene) {
  const { window, plane, posterior, drawn, at, marker, theme } = scene;
  context.clearRect(0, 0, window.width, window.height);
  if (posterior) drawPosterior(context, scene);
  const [px, py] = window.toPixel(marker.x, plane.isLine ? 0 : marker.y);
  context.fillStyle = theme.primary;
  context.globalAlpha = 0.4;
  context.fillRect(Math.round(px) - 0.5, 0, 1, window.height);
  if (!plane.isLine) context.fillRect(0, Math.round(py) - 0.5, window.width, 1);
  context.globalAlpha = drawn ? 0.45 : 1;
  ring(context, px, py, 11, 7, theme.background);
  ring(context, px, py, 11, 3, theme.primary);
  ring(context, px, py, 1.2, 2.4, theme.primary);
  context.globalAlpha = 1;
  if (drawn) drawWay(context, scene, at);
}

function ring(context, px, py, radius, width, colour) {
  context.beginPath();
  context.arc(px, py, radius, 0, TURN);
  Object.assign(context, { strokeStyle: colour, lineWidth: width });
  context.stroke();
}

// The posterior as a glow of its density, its ellipses at one and two sigma, and its draws.
function drawPosterior(context, { window, plane, posterior, drawn, theme }) {
  const { ellipse } = posterior;
  drawGlow(context, window, plane, ellipse, theme);
  for (const [sigmas, alpha] of [[2, 0.55], [1, 0.95]]) {
    context.globalAlpha = alpha;
    for (const [width, colour] of [[4.5, theme.background], [2, theme.primary]]) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width });
      if (plane.isLine) drawRulers(context, window, ellipse, sigmas);
      else strokeEllipse(context, window, ellipse, sigmas);
    }
  }
  context.globalAlpha = 1;
  if (ellipse.a * window.scale < SEEN) return; // they would be one blot
  for (const draw of posterior.draws) if (draw !== drawn) dot(context, window, plane, draw, 4, theme);
  if (!plane.isLine) drawSigmas(context, window, ellipse, theme);
}

const SEEN = 10; // pixels of a posterior's sigma from which on its inside is drawn

// The density of N(0, I), squeezed into the ellipse.
function drawGlow(context, window, plane, { x, y, a, b, angle }, theme) {
  const [px, py] = window.toPixel(x, y);
  context.save();
  context.translate(px, plane.isLine ? window.height / 2 : py);
  if (!plane.isLine) context.rotate(-angle);
  context.scale(Math.max(0.5, a * window.scale), plane.isLine ? window.height : Math.max(0.5, b * window.scale));
  const glow = plane.isLine ? context.createLinearGradient(-3, 0, 3, 0) : context.createRadialGradient(0, 0, 0, 0, 0, 3);
  for (let step = 0; step <= 12; step++) {
    const sigmas = plane.isLine ? step / 2 - 3 : step / 4;
    glow.addColorStop(step / 12, `color-mix(in srgb, ${theme.primary} ${50 * Math.exp(-0.5 * sigmas ** 2)}%, transparent)`);
  }
  context.fillStyle = glow;
  if (plane.isLine) context.fillRect(-3, -0.5, 6, 1);
  else {
    context.beginPath();
    context.arc(0, 0, 3, 0, TURN);
    context.fill();
  }
  context.restore();
}

// "1 σ" and "2 σ" where the ellipses cross their longer axis.
function drawSigmas(context, window, { x, y, a, angle }, theme) {
  if (a * window.scale < 40) return;
  Object.assign(context, { font: `600 11px ${theme.font}`, textAlign: "center", textBaseline: "middle" });
  for (const sigmas of [1, 2]) {
    write(context, `${sigmas}σ`, ...window.toPixel(x + sigmas * a * Math.cos(angle), y + sigmas * a * Math.sin(angle)), theme);
  }
}

function write(context, text, px, py, theme) {
  Object.assign(context, { strokeStyle: theme.background, lineWidth: 4, lineJoin: "round", fillStyle: theme.text });
  context.strokeText(text, px, py);
  context.fillText(text, px, py);
}

function dot(context, window, plane, { x, y }, radius, theme) {
  const [px, py] = window.toPixel(x, plane.isLine ? 0 : y);
  context.beginPath();
  context.arc(px, py, radius, 0, TURN);
  Object.assign(context, { fillStyle: theme.primary, strokeStyle: theme.background, lineWidth: 2 });
  context.stroke();
  context.fill();
}

// A draw on its way: from mu along each axis of the plane, and straight to z.
function drawWay(context, { window, plane, posterior, theme }, at) {
  const flat = (y) => (plane.isLine ? 0 : y);
  const { x, y } = posterior.ellipse;
  const [fromX, fromY] = window.toPixel(x, flat(y)), [toX, toY] = window.toPixel(at.x, flat(at.y));
  const line = (points, width, colour) => {
    Object.assign(context, { strokeStyle: colour, lineWidth: width, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    for (const point of points) context.lineTo(...point);
    context.stroke();
  };
  if (!plane.isLine) {
    context.save();
    context.setLineDash([1, 5]);
    line([[fromX, fromY], [toX, fromY], [toX, toY]], 2, theme.text);
    context.restore();
  }
  line([[fromX, fromY], [toX, toY]], 6, theme.background);
  line([[fromX, fromY], [toX, toY]], 3, theme.primary);
  dot(context, window, plane, at, 7, theme);
  Object.assign(context, { font: `600 13px ${theme.font}`, textAlign: "center", textBaseline: "middle" });
  const [across, down] = [toX - fromX, toY - fromY];
  const length = Math.hypot(across, down);
  if (length < 30) return;
  write(context, "μ", fromX - (across / length) * 22, fromY - (down / length) * 22, theme);
  write(context, "z", toX + (across / length) * 18, toY + (down / length) * 18, theme);
}
