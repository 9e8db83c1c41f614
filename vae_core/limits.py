"""What every family of models is held to: the shape of its images, and how many weights it may have."""

from vae_core.errors import BadInput, in_range, shortly

MAX_WEIGHTS = 16_000_000  # in float32 just below the 64 MB that a checkpoint may have


def check_image_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(C, H, W) as a tuple. Raises BadInput unless it is three sizes in range."""
    if not isinstance(shape, tuple | list) or len(shape) != 3:
        raise BadInput(f"An image shape has three sizes (C, H, W), not {shortly(shape)}.")
    for size, name, top in zip(shape, ("channels", "height", "width"), (4, 128, 128), strict=True):
        in_range(f"image {name}", size, 1, top, whole=True)
    return tuple(shape)


def check_weights(weights: int) -> None:
    """Raise BadInput where a model has more numbers in its matrices than a checkpoint may hold."""
    if weights > MAX_WEIGHTS:
        raise BadInput(
            f"A model of this width and depth has {weights / 1e6:.0f} million weights; at most "
            f"{MAX_WEIGHTS / 1e6:.0f} million are kept. Choose a smaller width or depth."
        )
