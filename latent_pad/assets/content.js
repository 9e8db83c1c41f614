// What a pad shows of the parcels that it refers to: the decoder, built, and the encoded images, placed on the plane.

import { buildDecoder } from "./decoder.js";
import { find } from "./store.js";

export class Content {
  decoder = null;
  points = null;
  problem = null; // why the decoder does not run here, in words

  // data as __init__.py describes it. Says what is new, { decoder, points }: parcels may come after the data.
  take(data, plane) {
    const parcels = { decoder: data.decoder && find(data.decoder), points: data.points && find(data.points) };
    const isNew = {
      decoder: !this.parcels || parcels.decoder !== this.parcels.decoder,
      points: !this.parcels || parcels.points !== this.parcels.points || plane !== this.plane,
    };
    [this.parcels, this.plane] = [parcels, plane];
    if (isNew.decoder) this.build(parcels.decoder);
    if (isNew.points) this.points = parcels.points ? place(parcels.points.tensors, plane) : null;
    this.problem = data.missing ?? this.fault;
    return isNew;
  }

  build(parcel) {
    [this.decoder, this.fault] = [null, null];
    if (!parcel) return;
    try {
      this.decoder = buildDecoder(parcel);
    } catch (error) {
      this.fault = error.message;
    }
  }
}

function place({ codes, labels, images }, plane) {
  const dims = codes.shape[1];
  const coordinates = Array.from({ length: codes.shape[0] }, (_, i) => plane.coordinates(codes.data, i * dims));
  return { codes: codes.data, labels: labels?.data, images, coordinates };
}
