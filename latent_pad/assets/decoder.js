// A parcel (weights and steps, see decoder_plan.py) -> a decoder that runs here.
//
//   const decoder = buildDecoder(parseSafetensors(bytes));
//   decoder.decode(z)   // Float32Array (L,) -> Float32Array (C*H*W,), overwritten by the next call
//
// A decoder that cannot be built throws an Error with a sentence.

import { activation, channelAffine, convTranspose, expect, layerNorm, linear, reshape, residual } from "./layers.js";

const ACTIVATIONS = ["relu", "silu", "tanh", "sigmoid", "unsigned"];

export function buildDecoder({ metadata, tensors }) {
  const { plan, image_shape: imageShape, latent_dim: latentDim } = JSON.parse(metadata.pad);
  const steps = foldBatchNorm(plan, tensors);
  const network = chain(steps, [latentDim]);
  reshape(network.shape, imageShape); // the sizes must agree
  return { latentDim, imageShape, decode: network.run };
}

function chain(steps, shape) {
  const runs = [];
  for (const step of steps) {
    const layer = build(step, shape);
    runs.push(layer.run);
    shape = layer.shape;
  }
  const run = (x) => {
    for (const layer of runs) x = layer(x);
    return x;
  };
  return { shape, run };
}

function build(step, shape) {
  if (ACTIVATIONS.includes(step.op)) return activation(step.op, shape);
  switch (step.op) {
    case "linear": return linear(step, shape);
    case "conv_transpose": return convTranspose(step, shape, step);
    case "layer_norm": return layerNorm(step, shape, step);
    case "batch_norm": return channelAffine(step, shape);
    case "residual": return residual(chain(step.steps, shape), shape);
    case "reshape": return reshape(shape, step.shape);
    case "flatten": return reshape(shape, [shape.reduce((product, length) => product * length, 1)]);
    default: throw new Error(`there is no layer called ${step.op}`);
  }
}

// Gives each step its tensors. A batch normalisation right after a linear layer or a transposed convolution disappears
// into it: scale * (W x + b) + shift = (scale * W) x + (scale * b + shift), with scale = gamma / sqrt(variance + eps) and
// shift = beta - scale * mean.
function foldBatchNorm(plan, tensors) {
  const steps = [];
  for (const step of plan) {
    const own = (name) => tensors[`${step.name}.${name}`];
    if (step.op === "residual") {
      steps.push({ ...step, steps: foldBatchNorm(step.steps, tensors) });
    } else if (step.op === "batch_norm") {
      const { scale, shift } = normalisation(own, step.eps);
      const before = steps.at(-1);
      if (before?.op === "linear" || before?.op === "conv_transpose") steps[steps.length - 1] = scaled(before, scale, shift);
      else steps.push({ op: "batch_norm", scale, shift });
    } else if (step.name) {
      expect(own("weight"), `the weights of ${step.name} are missing`);
      steps.push({ ...step, weight: own("weight"), bias: own("bias") });
    } else {
      steps.push(step);
    }
  }
  return steps;
}

function normalisation(own, eps) {
  const scale = own("weight").data.map((gamma, c) => gamma / Math.sqrt(own("running_var").data[c] + eps));
  const shift = own("bias").data.map((beta, c) => beta - scale[c] * own("running_mean").data[c]);
  return { scale, shift };
}

function scaled(step, scale, shift) {
  const { shape, data } = step.weight;
  // The output channel is the first index of a linear weight, the second of a transposed convolution's.
  const outputs = step.op === "linear" ? shape[0] : shape[1];
  const inner = step.op === "linear" ? shape[1] : shape[2] * shape[3];
  expect(scale.length === outputs, `a batch normalisation of ${scale.length} channels follows a layer of ${outputs}`);
  const weight = data.map((w, i) => w * scale[Math.floor(i / inner) % outputs]);
  const bias = shift.map((s, o) => s + scale[o] * (step.bias?.data[o] ?? 0));
  return { ...step, weight: { shape, data: weight }, bias: { shape: [outputs], data: bias } };
}
