// Parcels by their digest: fetched and unpacked once, shared by all pads of the page, let go with the last that shows them.

import { parseSafetensors } from "./safetensors.js";

const SHELF = new URL("../../../parcels/", import.meta.url); // as shelf.py serves them
const parcels = new Map(); // digest -> { holders: Set of pads, content: Promise of { metadata, tensors } }

// What `holder` shows from now on: for each digest a promise of its content (null: of nothing). Rejects where it cannot be had;
// it is asked for again at the next call.
export function hold(holder, ...digests) {
  return digests.map((digest) => {
    if (!digest) return Promise.resolve(null);
    const parcel = parcels.get(digest) ?? bring(digest);
    parcel.holders.add(holder);
    return parcel.content;
  });
}

// It shows nothing any more but these.
export function release(holder, except = []) {
  for (const [digest, { holders }] of parcels) {
    if (!except.includes(digest) && holders.delete(holder) && holders.size === 0) parcels.delete(digest);
  }
}

// Asks for it; if that fails nobody finds it any more.
function bring(digest) {
  const parcel = { holders: new Set(), content: fetched(digest) };
  parcels.set(digest, parcel);
  parcel.content.catch(() => parcels.get(digest) === parcel && parcels.delete(digest));
  return parcel;
}

async function fetched(digest) {
  const answer = await fetch(new URL(digest, SHELF));
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return parseSafetensors(new Uint8Array(await answer.arrayBuffer()));
}
