"""A torch decoder -> the list of steps that the browser's runtime (assets/decoder.js) carries out.

The steps come from the modules themselves, so that an architecture is described once, in Python. A step names its
tensors by the prefix they have in the decoder's state dict. A module of one's own whose output is its input plus something says
by `added` what: names of its parts and of functions. What the runtime lacks raises `Unsupported` with the reason.
"""

from torch import nn

ACTIVATIONS = {nn.ReLU: "relu", nn.SiLU: "silu", nn.Tanh: "tanh", nn.Sigmoid: "sigmoid"}


class Unsupported(Exception):
    """The browser cannot run this decoder; the message says which part, in words for the page."""


def decoder_plan(decoder: nn.Module, prefix: str = "") -> list[dict]:
    """Steps of `decoder`, a module (or nested Sequentials of modules) that maps one z (L,) to the pixels (C*H*W,).

    Shapes carry no batch: Unflatten(1, (C, H, W)) becomes a reshape to (C, H, W). Raises Unsupported.
    """
    if isinstance(decoder, nn.Sequential):
        return [step for name, child in decoder.named_children() for step in decoder_plan(child, f"{prefix}{name}.")]
    name = prefix.removesuffix(".")
    if type(decoder) in ACTIVATIONS:
        return [{"op": ACTIVATIONS[type(decoder)]}]
    match decoder:
        case nn.Linear():
            return [{"op": "linear", "name": name}]
        case nn.ConvTranspose2d() if decoder.groups == 1 and decoder.dilation == (1, 1):
            sizes = {"stride": decoder.stride, "padding": decoder.padding, "output_padding": decoder.output_padding}
            return [{"op": "conv_transpose", "name": name, **{key: list(size) for key, size in sizes.items()}}]
        case nn.BatchNorm1d() | nn.BatchNorm2d() if decoder.affine and decoder.track_running_stats:
            return [{"op": "batch_norm", "name": name, "eps": decoder.eps}]
        case nn.LayerNorm() if len(decoder.normalized_shape) == 1 and decoder.bias is not None:
            return [{"op": "layer_norm", "name": name, "eps": decoder.eps}]
        case nn.Unflatten() if decoder.dim == 1:
            return [{"op": "reshape", "shape": list(decoder.unflattened_size)}]
        case nn.Flatten() if decoder.start_dim == 1:
            return [{"op": "flatten"}]
        case nn.Dropout() | nn.Identity():
            return []  # nothing at evaluation
    if isinstance(added := getattr(decoder, "added", None), tuple):  # x + these, one after the other
        steps = [
            [{"op": part}] if part in ACTIVATIONS.values() else decoder_plan(getattr(decoder, part), f"{prefix}{part}.")
            for part in added
        ]
        return [{"op": "residual", "steps": [step for several in steps for step in several]}]
    raise Unsupported(f"the browser's runtime has no {type(decoder).__name__} layer of this kind")
