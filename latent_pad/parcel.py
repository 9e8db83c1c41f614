"""What travels to the browser once, each as one safetensors file: a decoder, the codes of encoded images, and those images.

A parcel is known by the SHA-256 of its bytes. The pad refers to it by that digest, so that a change of view, plane or
position sends a few hundred bytes and no weights.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from latent_pad.decoder_plan import Unsupported, decoder_plan

MAX_DECODER = 64 * 2**20  # bytes: beyond it a frame takes longer than a screen shows it
OUTPUTS = {"sigmoid": [{"op": "sigmoid"}], "signed": [{"op": "unsigned"}], "none": []}  # steps after the last layer


@dataclass(frozen=True)
class Parcel:
    """Bytes of a safetensors file and their SHA-256."""

    payload: bytes
    digest: str

    @classmethod
    def of(cls, payload: bytes) -> "Parcel":
        return cls(payload, hashlib.sha256(payload).hexdigest())


@dataclass(frozen=True)
class PadDecoder:
    """A decoder for the pad: its parcel, or the reason why the browser cannot run it."""

    latent_dim: int
    image_shape: tuple[int, int, int]  # (C, H, W)
    parcel: Parcel | None
    missing: str | None


@dataclass(frozen=True)
class PadPoints:
    """Encoded images for the pad: their codes and labels, and the images themselves, which may come later. `classes` are the
    names that labels stand for."""

    latent_dim: int
    parcel: Parcel
    pictures: Parcel | None
    classes: tuple[str, ...]


def pack_decoder(
    decoder: nn.Module, latent_dim: int, image_shape: tuple[int, int, int], half: bool = False, output: str = "sigmoid"
) -> PadDecoder:
    """The decoder's weights (float16 with `half`) and steps, ready to travel.

    decoder maps z (B, L) to C*H*W numbers; output "sigmoid" turns those into pixels in [0, 1], so does "signed" with numbers
    in [-1, 1], "none" leaves them.
    A decoder the runtime lacks, or one above 64 MiB, gives a PadDecoder without a parcel.
    """
    if output not in OUTPUTS:
        raise ValueError(f"The output must be one of {', '.join(OUTPUTS)}, not {output!r}.")
    if not isinstance(decoder, nn.Sequential):
        decoder = nn.Sequential(decoder)  # so that its tensors have names
    try:
        steps = decoder_plan(decoder)
    except Unsupported as reason:
        return PadDecoder(latent_dim, image_shape, None, str(reason))
    dtype = torch.float16 if half else torch.float32
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous()
        for name, tensor in decoder.state_dict().items() if tensor.is_floating_point()
    }
    if sum(tensor.nbytes for tensor in tensors.values()) > MAX_DECODER:
        return PadDecoder(latent_dim, image_shape, None, f"it is larger than {MAX_DECODER // 2**20} MB")
    plan = steps + OUTPUTS[output]
    description = {"plan": plan, "image_shape": list(image_shape), "latent_dim": latent_dim}
    metadata = {"pad": json.dumps(description)}  # one entry: safetensors writes several in any order
    return PadDecoder(latent_dim, image_shape, Parcel.of(safetensors.torch.save(tensors, metadata)), None)


def pack_points(
    codes: np.ndarray, labels: np.ndarray | None = None, classes: Sequence[str] = (), images: np.ndarray | None = None
) -> PadPoints:
    """Encoded images, ready to travel: codes (N, L), labels (N,) whole numbers into `classes`, uint8 images (N, C, H, W).

    N from 1 to 20,000. The images are shown as the nearest one under the cursor; 2,000 MNIST images weigh 1.6 MB.
    """
    codes = np.ascontiguousarray(codes, np.float32)
    if codes.ndim != 2 or not 1 <= len(codes) <= 20_000:
        raise ValueError(f"The codes must be (N, L) with N from 1 to 20,000, not {codes.shape}.")
    if not np.isfinite(codes).all():
        raise ValueError("The codes must be finite numbers.")
    tensors = {"codes": codes}
    if labels is not None:
        tensors["labels"] = np.ascontiguousarray(labels, np.int32)
        if tensors["labels"].shape != (len(codes),) or tensors["labels"].min() < 0:
            raise ValueError("There must be one label, 0 or above, for each code.")
    pictures = None
    if images is not None:
        if images.ndim != 4 or len(images) != len(codes) or images.dtype != np.uint8 or math.prod(images.shape[1:]) == 0:
            raise ValueError("The images must be uint8 (N, C, H, W), one for each code.")
        pictures = Parcel.of(safetensors.numpy.save({"images": np.ascontiguousarray(images)}))
    parcel = Parcel.of(safetensors.numpy.save(tensors))
    return PadPoints(codes.shape[1], parcel, pictures, tuple(str(name) for name in classes))
