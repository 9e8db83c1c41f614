// A model that goes pixel by pixel, as latent_pad/painter.py packs it: logits in raster order, each place computed once.
//
// A layer's weights lie as [place in the kernel][input][output], so that the innermost loop runs over neighbours in memory.

export function buildPainter({ metadata, tensors }) {
  const plan = JSON.parse(metadata.painter);
  const make = { sums, masked, gated }[plan.kind];
  const painter = make(plan, (name) => tensors[name].data);
  return { height: plan.height, width: plan.width, levels: plan.levels, ...painter };
}

// A painter's `begin()` returns a state with `step(canvas, i)`, the logits of pixel i from those before it on the canvas
// (levels in [0, 1]); the pixels must be asked for in turn. `fork()` is a state that goes on from the same place.

// The level that a uniform chance picks: the last one k with P(x < k) <= chance.
export function drawnLevel(logits, chance, levels) {
  const chances = probabilities(logits, levels);
  let level = 0;
  for (let below = chances[0]; level < levels - 1 && chance >= below; below += chances[level]) level += 1;
  return level / (levels - 1);
}

// P(x = k) of each level k.
export function probabilities(logits, levels) {
  if (levels === 2) return [sigmoid(-logits[0]), sigmoid(logits[0])];
  const highest = Math.max(...logits);
  const raised = Array.from(logits, (logit) => Math.exp(logit - highest));
  const sum = raised.reduce((total, each) => total + each, 0);
  return raised.map((each) => each / sum);
}

// -log p of a value, in nats.
export function nats(logits, value, levels) {
  if (levels === 2) {
    const against = value ? -logits[0] : logits[0];
    return Math.max(against, 0) + Math.log1p(Math.exp(-Math.abs(against)));
  }
  return -Math.log(probabilities(logits, levels)[Math.round(value * (levels - 1))]);
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// --- MADE and FVSBN: sums that grow by a pixel at a time; a unit is added to what sees it once its own sum is whole ---

function sums(plan, tensor) {
  const direct = tensor("direct"); // (from, to), like all here
  const weights = Array.from({ length: plan.hidden_layers + Boolean(plan.hidden_layers) }, (_, i) => tensor(`weight${i}`));
  const biases = Array.from({ length: plan.hidden_layers }, (_, i) => tensor(`bias${i}`));
  const bias = tensor("bias");
  const degrees = plan.hidden_layers ? tensor("degrees") : [];
  const pixels = plan.height * plan.width;

  function state(hidden, logits, done) {
    function add(x, i) {
      if (x) addRow(logits, direct, i, x);
      if (!hidden.length) return;
      if (x) addRow(hidden[0], weights[0], i, x);
      let ready = done;
      while (ready < degrees.length && degrees[ready] <= i + 1) ready += 1;
      for (let layer = 0; layer < hidden.length; layer++) {
        const above = hidden[layer + 1] ?? logits;
        for (let unit = done; unit < ready; unit++) {
          if (hidden[layer][unit] > 0) addRow(above, weights[layer + 1], unit, hidden[layer][unit]);
        }
      }
      done = ready;
    }
    return {
      step(canvas, i) {
        if (i) add(canvas[i - 1], i - 1);
        return [logits[i]];
      },
      fork: () => state(hidden.map((each) => each.slice()), logits.slice(), done),
    };
  }
  return { pixels, begin: () => state(biases.map((each) => each.slice()), bias.slice(), 0) };
}

function addRow(out, matrix, row, x) {
  for (let k = 0, at = row * out.length; k < out.length; k++, at++) out[k] += x * matrix[at];
}

// --- PixelCNN ---

// `given` holds all that the layer was given so far, [place][input].
function convolve(layer, given, row, column, height, width, out) {
  out.set(layer.bias);
  for (const { dy, dx, weight } of layer.taps) {
    const [y, x] = [row + dy, column + dx];
    if (y < 0 || x < 0 || y >= height || x >= width) continue;
    product(weight, given, (y * width + x) * layer.inputs, layer.inputs, out);
  }
  return out;
}

// Four inputs at a time, those that are not 0: what comes out is read and written a quarter as often.
const alive = new Int32Array(4096);

function product(weight, from, first, inputs, out) {
  const outputs = out.length;
  let count = 0;
  for (let j = 0; j < inputs; j++) if (from[first + j] !== 0) alive[count++] = j;
  let n = 0;
  for (; n + 4 <= count; n += 4) {
    const [i0, i1, i2, i3] = [alive[n], alive[n + 1], alive[n + 2], alive[n + 3]];
    const [v0, v1, v2, v3] = [from[first + i0], from[first + i1], from[first + i2], from[first + i3]];
    let [a0, a1, a2, a3] = [i0 * outputs, i1 * outputs, i2 * outputs, i3 * outputs];
    for (let k = 0; k < outputs; k++) {
      out[k] += v0 * weight[a0++] + v1 * weight[a1++] + v2 * weight[a2++] + v3 * weight[a3++];
    }
  }
  for (; n < count; n++) {
    const value = from[first + alive[n]];
    for (let k = 0, at = alive[n] * outputs; k < outputs; k++, at++) out[k] += value * weight[at];
  }
}

function apply(layer, from, out) {
  out.set(layer.bias);
  product(layer.taps[0].weight, from, 0, layer.inputs, out);
  return out;
}

function relu(from, out) {
  for (let k = 0; k < out.length; k++) out[k] = from[k] > 0 ? from[k] : 0;
  return out;
}

function read(tensor, { name, taps, inputs, outputs }) {
  const weight = tensor(`${name}.weight`);
  const size = inputs * outputs;
  const placed = taps.map(([dy, dx], i) => ({ dy, dx, weight: weight.subarray(i * size, (i + 1) * size) }));
  return { inputs, outputs, bias: tensor(`${name}.bias`), taps: placed };
}

function head(plan, tensor) {
  const inner = read(tensor, plan.inner);
  const last = read(tensor, plan.last);
  const [seen, mixed, logits] = [inner.inputs, inner.outputs, last.outputs].map((size) => new Float32Array(size));
  return (features) => apply(last, relu(apply(inner, relu(features, seen), mixed), mixed), logits).slice();
}

function masked(plan, tensor) {
  const { height, width } = plan;
  const enter = read(tensor, plan.enter);
  const blocks = plan.blocks.map((block) => ({ conv: read(tensor, block.conv), mix: read(tensor, block.mix) }));
  const finish = head(plan, tensor);
  const [x, y, added] = [0, 0, 0].map(() => new Float32Array(enter.outputs));

  function state(picture, given) {
    return {
      step(canvas, i) {
        const [row, column] = [Math.floor(i / width), i % width];
        if (i) picture[i - 1] = 2 * canvas[i - 1] - 1;
        convolve(enter, picture, row, column, height, width, x);
        blocks.forEach(({ conv, mix }, n) => {
          relu(x, given[n].subarray(i * x.length, (i + 1) * x.length));
          apply(mix, relu(convolve(conv, given[n], row, column, height, width, y), y), added);
          for (let k = 0; k < x.length; k++) x[k] += added[k];
        });
        return finish(x);
      },
      fork: () => state(picture.slice(), given.map((each) => each.slice())),
    };
  }
  const places = height * width;
  return {
    pixels: places,
    begin: () => state(new Float32Array(places), blocks.map(() => new Float32Array(places * enter.outputs))),
  };
}

function gate(from, out) {
  for (let k = 0; k < out.length; k++) out[k] = Math.tanh(from[k]) * sigmoid(from[k + out.length]);
  return out;
}

function gated(plan, tensor) {
  const { height, width } = plan;
  const parts = ["above", "along", "down", "mix"];
  const blocks = plan.blocks.map((block) => Object.fromEntries(parts.map((part) => [part, read(tensor, block[part])])));
  const finish = head(plan, tensor);
  const channels = blocks[0].mix.outputs;
  const [wide, narrow, mixed, x] = [2, 1, 1, 1].map((times) => new Float32Array(times * channels));

  function state(picture, up, along, sides) {
    // The vertical stack of a whole row: it looks to both sides, and at rows above alone.
    function lookUp(row) {
      blocks.forEach(({ above, down }, n) => {
        for (let column = 0; column < width; column++) {
          const place = row * width + column;
          convolve(above, n ? up[n - 1] : picture, row, column, height, width, wide);
          apply(down, wide, sides[n].subarray(column * wide.length, (column + 1) * wide.length));
          if (n < up.length) gate(wide, up[n].subarray(place * channels, (place + 1) * channels));
        }
      });
    }
    return {
      step(canvas, i) {
        const [row, column] = [Math.floor(i / width), i % width];
        if (i) picture[i - 1] = 2 * canvas[i - 1] - 1;
        if (column === 0) lookUp(row);
        blocks.forEach((block, n) => {
          if (n) along[n - 1].set(x, i * channels);
          convolve(block.along, n ? along[n - 1] : picture, row, column, height, width, wide);
          for (let k = 0, at = column * wide.length; k < wide.length; k++, at++) wide[k] += sides[n][at];
          apply(block.mix, gate(wide, narrow), mixed);
          for (let k = 0; k < channels; k++) x[k] = n ? x[k] + mixed[k] : mixed[k];
        });
        return finish(x);
      },
      fork: () => state(picture.slice(), ...[up, along, sides].map((list) => list.map((each) => each.slice()))),
    };
  }
  const places = height * width;
  const features = () => blocks.slice(1).map(() => new Float32Array(places * channels));
  const rows = () => blocks.map(() => new Float32Array(width * 2 * channels));
  return { pixels: places, begin: () => state(new Float32Array(places), features(), features(), rows()) };
}
