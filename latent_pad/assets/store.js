// Parcels by their digest: what was unpacked once is shared by all pads of the page, for as long as an element holds it.

import { parseSafetensors } from "./safetensors.js";

const DIGEST_LENGTH = 64; // hexadecimal letters of a SHA-256, in front of the safetensors bytes
const parcels = new Map(); // digest -> { holders: Set of elements, content }
const waiting = new Set(); // functions to call when a parcel arrives

export const find = (digest) => parcels.get(digest)?.content;

export function onArrival(listener, signal) {
  waiting.add(listener);
  signal.addEventListener("abort", () => waiting.delete(listener));
}

// Called with the same bytes at every rerun: then there is nothing to do.
export function receive(holder, bytes) {
  const digest = new TextDecoder().decode(bytes.subarray(0, DIGEST_LENGTH));
  for (const other of parcels.keys()) if (other !== digest) letGo(holder, other);
  const known = parcels.get(digest);
  if (known) {
    known.holders.add(holder);
    return;
  }
  parcels.set(digest, { holders: new Set([holder]), content: parseSafetensors(bytes.subarray(DIGEST_LENGTH)) });
  for (const listener of waiting) listener();
}

export function release(holder) {
  for (const digest of parcels.keys()) letGo(holder, digest);
}

function letGo(holder, digest) {
  const { holders } = parcels.get(digest);
  if (holders.delete(holder) && holders.size === 0) parcels.delete(digest);
}
