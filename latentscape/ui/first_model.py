"""What the pad is going to ask for of the first model, made ready before anybody has come."""

from latent_pad import pad_decoder, shelf
from latentscape.ui import codes, picker
from vae_core.checkpoint import Checkpoint
from vae_core.errors import BadInput


def first_parcels() -> list[str]:
    """The digests of what the pad is going to ask for first of the first model, all of which is served from now on."""
    model = _first()
    of_first = codes.known_codes(model) if model else None
    if not of_first:
        return []
    first = [parcel for parcel in (pad_decoder(model).parcel, of_first.points.parcel) if parcel]
    for parcel in (*first, of_first.points.pictures):
        shelf.keep(parcel)
    return [parcel.digest for parcel in first]


def measure_first() -> None:
    """Have the first model's terms of the ELBO ready, which Map and an image on Explore show."""
    if (model := _first()) and (of_first := codes.known_codes(model)):
        _ = of_first.terms


def _first() -> Checkpoint | None:
    try:
        return picker.first()
    except BadInput:
        return None  # who opens it is told
