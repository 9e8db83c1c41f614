"""Where a training computes, and in which precision."""

import os

import torch

from vae_core.errors import BadInput, shortly
from vae_core.settings import listed

DEVICES = {"auto": "the best one here", "cpu": "CPU", "cuda": "CUDA", "mps": "Metal"}


def check_device(device: object) -> None:
    """Raise BadInput where nothing is called so; whether it is here is another question."""
    if not isinstance(device, str) or (device not in DEVICES and device.partition(":")[0] != "cuda"):  # cuda:1
        raise BadInput(f"There is no device called {shortly(device)}; choose {listed(DEVICES)}.")


def has_device(device: str) -> bool:
    """Whether this machine has such a device; a number behind a colon is not looked at."""
    kind = device.partition(":")[0]
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return here.get(kind, False)


def choose_device(device: str) -> str:
    """`auto` -> the best device here. Raises BadInput where the one asked for is missing."""
    if device == "auto":
        device = next(kind for kind in ("cuda", "mps", "cpu") if has_device(kind))
    if not has_device(device):
        raise BadInput(f"There is no {device.partition(':')[0]} device on this machine; choose cpu or auto.")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device.startswith("cuda") else device


def choose_precision(precision: str, device: str) -> str:
    """`auto` -> bf16 where the hardware multiplies in it, else fp32 (emulated bf16 is slower than fp32)."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    native = device == "cpu" and any(torch.cpu.get_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16" if native else "fp32"
