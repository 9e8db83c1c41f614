"""A model that goes pixel by pixel, ready to travel: its masked weights and a plan, which assets/painter.js runs."""

import json

import safetensors.torch
import torch
from torch import Tensor, nn

from latent_pad.parcel import Parcel
from vae_core.models.pixelcnn import Causal, Masked, PixelCNN
from vae_core.pixels import PixelModel


@torch.no_grad()
def pack_painter(model: PixelModel, half: bool = False) -> Parcel:
    """One safetensors file (float16 with `half`): what a weight's mask takes away is 0 or left out."""
    tensors, plan = _sums(model) if hasattr(model, "sums") else _convolutions(model)
    _, height, width = model.config.image_shape
    plan |= {"height": height, "width": width, "levels": model.levels}
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in tensors.items() if name != "degrees"} | {
        name: tensor for name, tensor in tensors.items() if name == "degrees"
    }
    return Parcel.of(safetensors.torch.save(tensors, {"painter": json.dumps(plan)}))


def _sums(model: PixelModel) -> tuple[dict[str, Tensor], dict]:
    tensors = model.sums()
    layers = sum(name.startswith("bias") for name in tensors) - 1  # one is that of the outputs
    return tensors, {"kind": "sums", "hidden_layers": layers}


def _convolutions(model: PixelCNN) -> tuple[dict[str, Tensor], dict]:
    tensors: dict[str, Tensor] = {}

    def add(name: str, layer: nn.Conv2d) -> dict:
        """Weights as (place in the kernel, inputs, outputs), those places left out that are blind."""
        causal = isinstance(layer, Causal)
        weight = (layer.used if causal else layer.weight).permute(2, 3, 1, 0)
        height, width = layer.kernel_size
        up, left, blind = (layer.up, layer.left, layer.blind) if causal else (0, 0, 0)
        places = [(y, x) for y in range(height) for x in range(width) if y < height - 1 or x < width - blind]
        tensors[f"{name}.weight"] = torch.stack([weight[y, x] for y, x in places])
        tensors[f"{name}.bias"] = layer.bias
        return {
            "name": name, "taps": [(y - up, x - left) for y, x in places],
            "inputs": layer.in_channels, "outputs": layer.out_channels,
        }

    plan = {"kind": "gated", "inner": add("inner", model.inner), "last": add("last", model.last)}
    parts = ("above", "along", "down", "mix")
    if isinstance(model.body, Masked):
        plan |= {"kind": "masked", "enter": add("enter", model.body.enter)}
        parts = ("conv", "mix")
    plan["blocks"] = [
        {part: add(f"{part}{i}", getattr(block, part)) for part in parts} for i, block in enumerate(model.body.blocks)
    ]
    return tensors, plan
