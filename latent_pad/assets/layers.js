// The layers of a decoder, each for a single input (no batch). A layer is built once, from its tensors and the shape that
// comes in, and gives { shape, run }: the shape that goes out, and a function from Float32Array to Float32Array. Its
// output is one buffer that the next call overwrites. Shapes are [n] or [C, H, W], channels outermost, as in PyTorch.

const size = (shape) => shape.reduce((product, length) => product * length, 1);

// y = W x + b, W (outputs, inputs)
export function linear({ weight, bias }, shape) {
  const [outputs, inputs] = weight.shape;
  expect(size(shape) === inputs, `a linear layer reads ${inputs} numbers, not ${size(shape)}`);
  const w = weight.data;
  const b = bias?.data ?? new Float32Array(outputs);
  const y = new Float32Array(outputs);
  const run = (x) => {
    // Four rows at a time: each x is fetched once for them, and no sum waits for another.
    let o = 0;
    for (; o + 3 < outputs; o += 4) {
      const r0 = o * inputs, r1 = r0 + inputs, r2 = r1 + inputs, r3 = r2 + inputs;
      let s0 = b[o], s1 = b[o + 1], s2 = b[o + 2], s3 = b[o + 3];
      for (let i = 0; i < inputs; i++) {
        const value = x[i];
        s0 += w[r0 + i] * value;
        s1 += w[r1 + i] * value;
        s2 += w[r2 + i] * value;
        s3 += w[r3 + i] * value;
      }
      y[o] = s0;
      y[o + 1] = s1;
      y[o + 2] = s2;
      y[o + 3] = s3;
    }
    for (; o < outputs; o++) {
      let sum = b[o];
      for (let i = 0; i < inputs; i++) sum += w[o * inputs + i] * x[i];
      y[o] = sum;
    }
    return y;
  };
  return { shape: [outputs], run };
}

// Each input pixel adds weight[ci, co, ky, kx] times its value at row iy * stride - padding + ky, column likewise:
// torch.nn.ConvTranspose2d with groups 1 and dilation 1. weight (C_in, C_out, kH, kW).
export function convTranspose({ weight, bias }, shape, { stride, padding, output_padding: extra }) {
  const [channelsIn, channelsOut, kernelH, kernelW] = weight.shape;
  expect(shape.length === 3 && shape[0] === channelsIn, `a transposed convolution reads ${channelsIn} channels`);
  const [, heightIn, widthIn] = shape;
  const height = (heightIn - 1) * stride[0] - 2 * padding[0] + kernelH + extra[0];
  const width = (widthIn - 1) * stride[1] - 2 * padding[1] + kernelW + extra[1];
  const w = weight.data;
  const y = new Float32Array(channelsOut * height * width);
  const run = (x) => {
    for (let co = 0; co < channelsOut; co++) y.fill(bias ? bias.data[co] : 0, co * height * width, (co + 1) * height * width);
    for (let ci = 0; ci < channelsIn; ci++) {
      for (let iy = 0; iy < heightIn; iy++) {
        for (let ix = 0; ix < widthIn; ix++) {
          const value = x[(ci * heightIn + iy) * widthIn + ix];
          if (value === 0) continue; // half of them, after a ReLU
          const top = iy * stride[0] - padding[0], left = ix * stride[1] - padding[1];
          const fromY = Math.max(0, -top), toY = Math.min(kernelH, height - top);
          const fromX = Math.max(0, -left), toX = Math.min(kernelW, width - left);
          for (let co = 0; co < channelsOut; co++) {
            for (let ky = fromY; ky < toY; ky++) {
              const from = ((ci * channelsOut + co) * kernelH + ky) * kernelW;
              const to = (co * height + top + ky) * width + left;
              for (let kx = fromX; kx < toX; kx++) y[to + kx] += value * w[from + kx];
            }
          }
        }
      }
    }
    return y;
  };
  return { shape: [channelsOut, height, width], run };
}

// gamma (x - mean) / sqrt(variance + eps) + beta over all numbers (Ba et al. 2016)
export function layerNorm({ weight, bias }, shape, { eps }) {
  const n = size(shape);
  expect(shape.length === 1 && weight.data.length === n, `a layer normalisation reads ${weight.data.length} numbers`);
  const y = new Float32Array(n);
  const run = (x) => {
    let mean = 0, variance = 0;
    for (let i = 0; i < n; i++) mean += x[i] / n;
    for (let i = 0; i < n; i++) variance += (x[i] - mean) ** 2 / n;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < n; i++) y[i] = (x[i] - mean) * scale * weight.data[i] + bias.data[i];
    return y;
  };
  return { shape, run };
}

// Batch normalisation at evaluation, one multiplication and one addition a channel. decoder.js folds it into the layer
// before it where there is one; this is for the others.
export function channelAffine({ scale, shift }, shape) {
  expect(scale.length === shape[0], `a batch normalisation reads ${scale.length} channels, not [${shape}]`);
  const pixels = size(shape) / shape[0];
  const y = new Float32Array(size(shape));
  const run = (x) => {
    for (let i = 0; i < y.length; i++) {
      const channel = Math.floor(i / pixels);
      y[i] = x[i] * scale[channel] + shift[channel];
    }
    return y;
  };
  return { shape, run };
}

const FUNCTIONS = {
  relu: (x) => (x > 0 ? x : 0),
  silu: (x) => x / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  unsigned: (x) => (x + 1) / 2, // pixels in [-1, 1] -> [0, 1]
};

export function activation(name, shape) {
  const f = FUNCTIONS[name];
  expect(f, `there is no activation called ${name}`);
  const y = new Float32Array(size(shape));
  const run = (x) => {
    for (let i = 0; i < y.length; i++) y[i] = f(x[i]);
    return y;
  };
  return { shape, run };
}

// x + f(x)
export function residual(inside, shape) {
  expect(size(inside.shape) === size(shape), "a residual block must keep its shape");
  const y = new Float32Array(size(shape));
  const run = (x) => {
    const added = inside.run(x);
    for (let i = 0; i < y.length; i++) y[i] = x[i] + added[i];
    return y;
  };
  return { shape, run };
}

export function reshape(from, to) {
  expect(size(from) === size(to), `[${from}] cannot become [${to}]`);
  return { shape: to, run: (x) => x };
}

export function expect(condition, sentence) {
  if (!condition) throw new Error(sentence);
}
