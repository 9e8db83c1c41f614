// Decoded numbers or stored bytes, channels outermost -> canvas pixels.

// values (C, H, W) in [0, 1], or bytes with scale 1 -> ImageData; one channel is grey, three are colour, four have opacity.
export function toImageData(values, [channels, height, width], scale = 255) {
  const image = new ImageData(width, height);
  const pixels = width * height;
  const [r, g, b] = channels >= 3 ? [0, pixels, 2 * pixels] : [0, 0, 0];
  for (let i = 0, to = 0; i < pixels; i++, to += 4) {
    image.data[to] = values[r + i] * scale; // clamped and rounded by the array
    image.data[to + 1] = values[g + i] * scale;
    image.data[to + 2] = values[b + i] * scale;
    image.data[to + 3] = channels === 4 ? values[3 * pixels + i] * scale : 255;
  }
  return image;
}

// Grey values as ink of one colour on nothing: bright pixels are drawn, dark ones let the page through.
export function toInk(values, [, height, width], [r, g, b]) {
  const image = new ImageData(width, height);
  for (let i = 0, to = 0; i < width * height; i++, to += 4) {
    image.data[to] = r;
    image.data[to + 1] = g;
    image.data[to + 2] = b;
    image.data[to + 3] = values[i] * 255;
  }
  return image;
}

// Whether pictures are drawings on black (digits, clothes): one channel and dark corners.
export function isDrawing(values, [channels, height, width]) {
  const corners = [0, width - 1, (height - 1) * width, height * width - 1];
  return channels === 1 && corners.every((corner) => values[corner] < 0.1);
}

export function put(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    Object.assign(canvas, { width: image.width, height: image.height });
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// A heat-map's levels as one colour of growing strength on nothing: where it is 0 the page shows through.
export function heatPicture({ rows, columns, bytes, colour }) {
  const canvas = document.createElement("canvas");
  const values = Float32Array.from(bytes, (level) => level / 255);
  put(canvas, toInk(values, [1, rows, columns], channelsOf(colour)));
  return canvas;
}

// The value of a heat-map at a point of the plane, between the nearest four, or null outside of it.
export function heatAt({ rows, columns, bytes, box, highest, root }, x, y) {
  const [left, right, bottom, top] = box;
  const column = ((x - left) / (right - left)) * (columns - 1);
  const row = rows === 1 ? 0 : ((top - y) / (top - bottom)) * (rows - 1);
  if (!(column >= 0 && column <= columns - 1 && row >= 0 && row <= rows - 1)) return null;
  const value = (r, c) => {
    const share = bytes[Math.min(r, rows - 1) * columns + Math.min(c, columns - 1)] / 255;
    return highest * (root ? share ** 2 : share);
  };
  const [r, c] = [Math.floor(row), Math.floor(column)];
  const mix = (a, b, part) => a + (b - a) * part;
  return mix(mix(value(r, c), value(r, c + 1), column - c), mix(value(r + 1, c), value(r + 1, c + 1), column - c), row - r);
}

// "#rgb", "rgb(...)" or any other CSS colour -> [r, g, b], 0 to 255
export function channelsOf(colour) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

// A canvas as large as the window, cleared, measured in CSS pixels.
export function fit(canvas, { width, height }, ratio) {
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

export const fromBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
