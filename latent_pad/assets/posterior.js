// One image's posterior q(z|x) = N(mu, diag sigma^2), and draws from it: z = mu + sigma * epsilon, epsilon ~ N(0, I), the
// reparameterisation of Kingma & Welling 2014 (arXiv:1312.6114).

export const KEPT = 10; // draws that are shown

export class Posterior {
  // The first draws are the same whenever the same image is shown.
  constructor({ mu, sigma }, plane) {
    Object.assign(this, { mu, sigma, random: normal(seedOf(mu)), draws: [] });
    this.place(plane);
    while (this.draws.length < KEPT) this.draw();
  }

  is({ mu, sigma }) {
    return String([mu, sigma]) === String([this.mu, this.sigma]);
  }

  // On another plane.
  place(plane) {
    this.plane = plane;
    this.ellipse = plane.posterior(this);
    for (const draw of this.draws) [draw.x, draw.y] = plane.coordinates(draw.z);
  }

  // Another draw; the oldest goes.
  draw() {
    const epsilon = Float64Array.from(this.mu, () => this.random());
    const z = this.along(epsilon, 1);
    const [x, y] = this.plane.coordinates(z);
    this.draws = [...this.draws.slice(1 - KEPT), { epsilon, z, x, y }];
    return this.draws.at(-1);
  }

  // mu + part * sigma * epsilon: part runs from 0 to 1 while a draw is shown to happen.
  along(epsilon, part) {
    return Float32Array.from(this.mu, (mu, i) => mu + part * this.sigma[i] * epsilon[i]);
  }

  // The epsilon that leads to z; infinite where sigma is zero and z is not mu.
  epsilonOf(z) {
    return Array.from(z, (value, i) => (value === Math.fround(this.mu[i]) ? 0 : (value - this.mu[i]) / this.sigma[i]));
  }

  // Its dimensions, those first whose KL to the prior is largest: they say most about this image.
  get order() {
    const kl = this.mu.map((mu, i) => (mu ** 2 + this.sigma[i] ** 2 - 1) / 2 - Math.log(this.sigma[i]));
    return kl.map((_, i) => i).sort((i, j) => kl[j] - kl[i]);
  }
}

// Standard normal numbers from a seed: Box & Muller 1958 on mulberry32.
export function normal(seed) {
  const uniform = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

// FNV-1a of the numbers' bytes
function seedOf(numbers) {
  const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 16777619), -2128831035);
}
