"""Pictures that might have been in the data set too: mirrored, or moved by a few pixels."""

import torch
from torch import Tensor


def flip_and_shift(x: Tensor, flip: bool, shift: int, generator: torch.Generator) -> Tensor:
    """Each image of x (B, C, H, W) mirrored left to right with probability 1/2 where `flip`, then moved by -shift to shift
    pixels each way; what comes in at an edge repeats it. Every draw is made on the CPU; without either, none is made."""
    count, _, height, width = x.shape
    if flip:
        mirrored = torch.rand(count, generator=generator) < 0.5
        x = torch.where(mirrored.to(x.device).view(-1, 1, 1, 1), x.flip(3), x)
    if shift:
        down, across = torch.randint(-shift, shift + 1, (2, count, 1), generator=generator).to(x.device)
        rows = (torch.arange(height, device=x.device) - down).clamp(0, height - 1)  # (B, H)
        columns = (torch.arange(width, device=x.device) - across).clamp(0, width - 1)  # (B, W)
        images = torch.arange(count, device=x.device)[:, None, None]
        x = x.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2).contiguous()
    return x
