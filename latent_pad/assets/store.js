// Parcels by their digest: fetched and unpacked once, shared by all pads of the page, let go with the last that shows them.

import { parseSafetensors } from "./safetensors.js";

const SHELF = new URL("../../../parcels/", import.meta.url); // as shelf.py serves them
const parcels = new Map(); // digest -> { holders: Set of pads, content: Promise of { metadata, tensors } }

// The parcels that `holder` shows from now on (null: none), in this order, as soon as all are here; it lets go of others.
// Rejects where one of them cannot be had; it is asked for again at the next call.
export function hold(holder, digests) {
  release(holder, digests);
  return Promise.all(
    digests.map((digest) => {
      if (!digest) return null;
      if (!parcels.has(digest)) parcels.set(digest, { holders: new Set(), content: bring(digest) });
      const { holders, content } = parcels.get(digest);
      holders.add(holder);
      return content;
    }),
  );
}

export function release(holder, except = []) {
  for (const [digest, { holders }] of parcels) {
    if (!except.includes(digest) && holders.delete(holder) && holders.size === 0) parcels.delete(digest);
  }
}

async function bring(digest) {
  try {
    const answer = await fetch(new URL(digest, SHELF));
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    return parseSafetensors(new Uint8Array(await answer.arrayBuffer()));
  } catch (error) {
    parcels.delete(digest);
    throw error;
  }
}
