// What a pad shows of the parcels that it refers to: the decoder, built, and the encoded images, placed on the plane.

import { buildDecoder } from "./decoder.js";

export class Content {
  decoder = null;
  points = null;
  problem = null; // why the decoder does not run here, in words

  // parcels: { decoder, points }, null where there is none. Says which of them is new here, in the same way.
  take(parcels, missing, plane) {
    const isNew = {
      decoder: !this.parcels || parcels.decoder !== this.parcels.decoder,
      points: !this.parcels || parcels.points !== this.parcels.points || plane !== this.plane,
    };
    [this.parcels, this.plane] = [parcels, plane];
    if (isNew.decoder) this.build(parcels.decoder);
    if (isNew.points) this.points = parcels.points ? place(parcels.points.tensors, plane) : null;
    this.problem = missing ?? this.fault;
    return isNew;
  }

  // The encoded images themselves. True if they are new here.
  adorn(parcel) {
    const images = parcel?.tensors.images ?? null;
    if (!this.points || this.points.images === images) return false;
    this.points.images = images;
    return true;
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

function place({ codes, labels }, plane) {
  const dims = codes.shape[1];
  const coordinates = Array.from({ length: codes.shape[0] }, (_, i) => plane.coordinates(codes.data, i * dims));
  return { codes: codes.data, labels: labels?.data, images: null, coordinates };
}
