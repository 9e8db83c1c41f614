// Geometry: the plane z = origin + x u + y v in the latent space, and the window through which it is seen.

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

export class Plane {
  constructor({ id, origin, u, v, labels }) {
    Object.assign(this, { id, labels, origin, u, v: v ?? origin.map(() => 0), isLine: !v });
    const [uu, uv, vv] = [dot(this.u, this.u), dot(this.u, this.v), this.isLine ? 1 : dot(this.v, this.v)];
    const determinant = uu * vv - uv * uv;
    this.metric = { uu, uv, vv };
    // Rows of the pseudo-inverse of [u v]: coordinates of the point of the plane that is nearest to z (least squares).
    this.toX = this.u.map((value, i) => (vv * value - uv * this.v[i]) / determinant);
    this.toY = this.u.map((value, i) => (uu * this.v[i] - uv * value) / determinant);
    this.middle = this.coordinates(this.origin.map(() => 0)); // where the prior is densest
  }

  point(x, y) {
    return Float32Array.from(this.origin, (o, i) => o + x * this.u[i] + y * this.v[i]);
  }

  // z starts at `start` in a longer array: codes lie one after the other.
  coordinates(z, start = 0) {
    let x = 0, y = 0;
    for (let i = 0; i < this.origin.length; i++) {
      const offset = z[start + i] - this.origin[i];
      x += this.toX[i] * offset;
      y += this.toY[i] * offset;
    }
    return [x, y];
  }

  // N(mu, diag sigma^2) projected on the plane: its 1-sigma ellipse.
  posterior({ mu, sigma }) {
    const [x, y] = this.coordinates(mu);
    const weigh = (a, b) => sigma.reduce((sum, s, i) => sum + s * s * a[i] * b[i], 0);
    return ellipse(x, y, weigh(this.toX, this.toX), weigh(this.toX, this.toY), weigh(this.toY, this.toY));
  }

  // How many sigmas of the prior on the plane lie between its middle and (x, y).
  priorDistance(x, y) {
    const { uu, uv, vv } = this.metric;
    const [dx, dy] = [x - this.middle[0], y - this.middle[1]];
    return Math.sqrt(uu * dx * dx + 2 * uv * dx * dy + vv * dy * dy);
  }

  // N(0, I) on the plane is a normal distribution whose inverse covariance is the metric: its 1-sigma ellipse.
  prior() {
    const [x, y] = this.middle;
    const { uu, uv, vv } = this.metric;
    const determinant = uu * vv - uv * uv;
    return ellipse(x, y, vv / determinant, -uv / determinant, this.isLine ? 0 : uu / determinant);
  }
}

// Half axes and angle (anticlockwise, of the first) of the covariance [[xx, xy], [xy, yy]].
function ellipse(x, y, xx, xy, yy) {
  const middle = (xx + yy) / 2;
  const spread = Math.hypot((xx - yy) / 2, xy);
  const half = (variance) => Math.sqrt(Math.max(0, variance));
  return { x, y, a: half(middle + spread), b: half(middle - spread), angle: Math.atan2(2 * xy, xx - yy) / 2 };
}

// log N(z; 0, I) in nats
export function logPrior(z) {
  return -0.5 * (z.reduce((sum, value) => sum + value * value, 0) + z.length * Math.log(2 * Math.PI));
}

// Index of and distance to the code nearest to z; a candidate is dropped as soon as it is farther than the best.
export function nearest(z, codes) {
  const dims = z.length;
  let best = Infinity, index = -1;
  for (let start = 0; start < codes.length; start += dims) {
    let squared = 0;
    for (let i = 0; i < dims && squared < best; i++) squared += (codes[start + i] - z[i]) ** 2;
    if (squared < best) [best, index] = [squared, start / dims];
  }
  return { index, distance: Math.sqrt(best) };
}

// What part of the plane is seen: the centre and half of the shorter side (of a line: of its length). One unit is as long
// on both axes.
export class Window {
  constructor(x, y, half, isLine = false) {
    Object.assign(this, { x, y, half, isLine, home: { x, y, half }, width: 1, height: 1 });
  }

  get scale() {
    return (this.isLine ? this.width : Math.min(this.width, this.height)) / (2 * this.half); // pixels a unit
  }

  toPixel(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toPlane(px, py) {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  get bounds() {
    const [left, top] = this.toPlane(0, 0), [right, bottom] = this.toPlane(this.width, this.height);
    return { left, right, top, bottom };
  }

  // As near and as far as one may zoom.
  within(half) {
    return Math.min(this.home.half * 8, Math.max(this.home.half / 200, half));
  }

  // What lies under the pixel stays under it.
  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.toPlane(px, py);
    const half = this.within(this.half * factor);
    this.x = x + (this.x - x) * (half / this.half);
    if (!this.isLine) this.y = y + (this.y - y) * (half / this.half);
    this.half = half;
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    if (!this.isLine) this.y += dy / this.scale;
  }

  reset() {
    Object.assign(this, this.home);
  }

  get isHome() {
    return this.x === this.home.x && this.y === this.home.y && this.half === this.home.half;
  }

  get view() {
    return { x: this.x, y: this.y, half: this.half };
  }

  // The view in which an ellipse (x, y and half axes) is seen to three and a half sigmas: never farther than the first.
  around({ x, y, a }) {
    return { x, y: this.isLine ? 0 : y, half: Math.min(this.home.half, this.within(3.5 * a)) };
  }

  // Moves (x, y) to the middle, if it is outside or at the very edge. From the first view a small step that puts it well inside
  // is enough: most of the codes stay in sight.
  find(x, y, margin = 0.04) {
    const { left, right, top, bottom } = this.bounds;
    const [across, up] = [(right - left) * margin, (top - bottom) * margin];
    const inside = x > left + across && x < right - across && (this.isLine || (y > bottom + up && y < top - up));
    if (inside) return;
    if (this.isHome) {
      this.follow(x, y, 5 * margin); // clear of the buttons on the pad's upper edge
      if (Math.abs(this.x - this.home.x) < (right - left) / 4 && Math.abs(this.y - this.home.y) < (top - bottom) / 4) return;
    }
    this.x = x;
    if (!this.isLine) this.y = y;
  }

  // Moves just so far that (x, y) is inside, a margin from the edge.
  follow(x, y, margin = 0.06) {
    const { left, right, top, bottom } = this.bounds;
    const [across, up] = [(right - left) * margin, (top - bottom) * margin];
    this.x += Math.max(0, x - (right - across)) - Math.max(0, left + across - x);
    if (!this.isLine) this.y += Math.max(0, y - (top - up)) - Math.max(0, bottom + up - y);
  }
}

// The window that shows the prior to three sigmas and all but the outermost two in a hundred codes on each side.
export function homeWindow(coordinates, prior, isLine) {
  const range = (axis, low, high) => {
    const sorted = Float32Array.from(coordinates, (pair) => pair[axis]).sort();
    if (sorted.length) {
      low = Math.min(low, sorted[Math.floor(0.02 * (sorted.length - 1))]);
      high = Math.max(high, sorted[Math.ceil(0.98 * (sorted.length - 1))]);
    }
    return [low, high];
  };
  const none = coordinates.length ? [Infinity, -Infinity] : [-3, 3];
  const [left, right] = prior ? range(0, prior.x - 3 * prior.a, prior.x + 3 * prior.a) : range(0, ...none);
  const [bottom, top] = prior ? range(1, prior.y - 3 * prior.a, prior.y + 3 * prior.a) : range(1, ...none);
  const half = Math.max(right - left, isLine ? 0 : top - bottom, 1e-3) / 2;
  return new Window((left + right) / 2, isLine ? 0 : (bottom + top) / 2, half * 1.08, isLine);
}
