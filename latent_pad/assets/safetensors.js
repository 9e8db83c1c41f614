// safetensors bytes -> { metadata, tensors: { name: { shape, data } } }.
//
// Format: eight bytes with the header's length (little-endian), a JSON header, then the tensors' bytes one after the
// other. Floating-point tensors become Float32Array whatever the file holds; whole numbers stay what they are.

export function parseSafetensors(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength)));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(entries)) {
    if (!(dtype in READERS)) throw new Error(`${name} holds ${dtype}, which is not read here`);
    // A copy: the bytes may start at an odd address, and the whole answer can then be let go.
    const raw = bytes.slice(8 + headerLength + from, 8 + headerLength + to).buffer;
    const data = READERS[dtype](raw);
    if (data.length !== shape.reduce((product, size) => product * size, 1)) throw new Error(`${name} has a wrong size`);
    tensors[name] = { shape, data };
  }
  return { metadata, tensors };
}

const READERS = {
  F32: (raw) => new Float32Array(raw),
  F16: (raw) => looked(new Uint16Array(raw)),
  BF16: (raw) => new Float32Array(Uint32Array.from(new Uint16Array(raw), (bits) => bits << 16).buffer),
  U8: (raw) => new Uint8Array(raw),
  I32: (raw) => new Int32Array(raw),
};

let halves; // every float16 there is as a float32: looking up is several times faster than computing each weight

function looked(bits) {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, half) => halfToFloat(half));
  const floats = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) floats[i] = halves[bits[i]];
  return floats;
}

// IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction.
function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24; // zero and subnormal numbers
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
