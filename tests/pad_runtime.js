// What the tests ask of the pad's modules, the same in node and in Chromium. Arrays travel as base64 of float32.

const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floatsOf = (text) => new Float32Array(bytesOf(text).buffer);

function textOf(floats) {
  const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

export const tasks = {
  // Every z decoded, one by one; milliseconds of each in the second half, when the code is warm.
  async decode(load, { parcel, z }) {
    const { parseSafetensors } = await load("safetensors.js");
    const { buildDecoder } = await load("decoder.js");
    const decoder = buildDecoder(parseSafetensors(bytesOf(parcel)));
    const points = floatsOf(z);
    const count = points.length / decoder.latentDim;
    const pixels = decoder.imageShape.reduce((product, length) => product * length, 1);
    const images = new Float32Array(count * pixels);
    const times = [];
    for (let i = 0; i < count; i++) {
      const start = performance.now();
      const image = decoder.decode(points.subarray(i * decoder.latentDim, (i + 1) * decoder.latentDim));
      times.push(performance.now() - start);
      images.set(image, i * pixels);
    }
    const warm = times.slice(count / 2);
    return { images: textOf(images), milliseconds: warm.reduce((sum, time) => sum + time, 0) / warm.length };
  },

  // The logits of every pixel of known images, and what is drawn with given uniform numbers where nothing, or the first
  // `known` pixels of the first image, is known; milliseconds of the last whole picture.
  async paint(load, { parcel, images, uniform, known }) {
    const { parseSafetensors } = await load("safetensors.js");
    const { buildPainter, drawnLevel } = await load("painter.js");
    const painter = buildPainter(parseSafetensors(bytesOf(parcel)));
    const [given, chances] = [floatsOf(images), floatsOf(uniform)];
    const logits = [];
    for (let at = 0; at < given.length; at += painter.pixels) {
      const [image, state] = [given.subarray(at, at + painter.pixels), painter.begin()];
      for (let i = 0; i < painter.pixels; i++) logits.push(...state.step(image, i));
    }
    const first = given.slice(0, painter.pixels);
    const start = painter.begin();
    for (let i = 0; i < known; i++) start.step(first, i);
    const drawn = new Float32Array(chances.length);
    let milliseconds = 0;
    for (let at = 0; at < chances.length; at += painter.pixels) {
      const began = performance.now();
      const [canvas, state] = [first.slice(), start.fork()];
      for (let i = known; i < painter.pixels; i++) {
        canvas[i] = drawnLevel(state.step(canvas, i), chances[at + i], painter.levels);
      }
      drawn.set(canvas, at);
      milliseconds = performance.now() - began;
    }
    return { logits: textOf(Float32Array.from(logits)), drawn: textOf(drawn), milliseconds };
  },

  async tensors(load, { parcel }) {
    const { parseSafetensors } = await load("safetensors.js");
    const { tensors } = parseSafetensors(bytesOf(parcel));
    return Object.fromEntries(Object.entries(tensors).map(([name, { data }]) => [name, textOf(Float32Array.from(data))]));
  },

  async geometry(load, { plane, z, distribution, codes }) {
    const { Plane, logPrior, nearest } = await load("plane.js");
    const made = new Plane(plane);
    return {
      point: [...made.point(0.5, -1.25)],
      coordinates: made.coordinates(z),
      prior: made.prior(),
      posterior: made.posterior(distribution),
      priorDistance: made.priorDistance(0.5, -1.25),
      logPrior: logPrior(z),
      nearest: nearest(z, floatsOf(codes)),
    };
  },

  async posterior(load, { distribution, plane, more }) {
    const { Plane } = await load("plane.js");
    const { Posterior, normal } = await load("posterior.js");
    const made = new Posterior(distribution, new Plane(plane));
    const first = made.draws.map(({ epsilon, z, x, y }) => ({ epsilon: [...epsilon], z: [...z], x, y }));
    const latest = made.draw();
    const random = normal(7);
    return {
      first,
      again: new Posterior(distribution, new Plane(plane)).draws.map(({ z }) => [...z]),
      kept: made.draws.map(({ z }) => [...z]),
      latest: [...latest.z],
      half: [...made.along(latest.epsilon, 0.5)],
      epsilon: made.epsilonOf(latest.z),
      order: made.order,
      many: Array.from({ length: more }, random),
    };
  },

  async heat(load, { heat, points }) {
    const { fromBase64, heatAt } = await load("pixels.js");
    const sent = { ...heat, bytes: fromBase64(heat.levels) };
    return points.map(([x, y]) => heatAt(sent, x, y));
  },

  async window(load, { coordinates }) {
    const { homeWindow } = await load("plane.js");
    const view = Object.assign(homeWindow(coordinates, null, false), { width: 600, height: 400 });
    const before = { bounds: view.bounds, scale: view.scale, corner: view.toPlane(...view.toPixel(0.3, -0.2)) };
    const under = view.toPlane(450, 100);
    view.zoom(0.5, 450, 100);
    const after = { bounds: view.bounds, scale: view.scale, under: view.toPlane(450, 100) };
    view.follow(100, 0);
    return { before, under, after, follows: view.bounds.right > 100 };
  },
};
