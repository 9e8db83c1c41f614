"""What is saved beside the models, as they are, and is none itself: a judge, a learned prior. Weights (safetensors) and recipe.

`NAME.safetensors` holds the tensors and, in its metadata, the recipe; `NAME.json` beside it is the same recipe for people, with
the SHA-256 of the weights file, as of a checkpoint. Pickle is never read.
"""

import hashlib
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from vae_core import checkpoint
from vae_core.errors import BadInput

SCHEMA_VERSION = 1
Network = TypeVar("Network", bound=nn.Module)


class ModelRecipe(BaseModel):
    """The model that a companion belongs to: what it was called, and the SHA-256 of its weights file."""

    model_config = ConfigDict(strict=True, extra="forbid")
    name: str = Field(max_length=200)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")


class Recipe(BaseModel):
    """Everything about a companion that is not a tensor. `weights_sha256` stands only in the JSON beside the file."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())
    schema_version: int
    kind: str = Field(max_length=20)
    config: dict
    data: checkpoint.DataRecipe
    model: ModelRecipe | None = None
    training: dict
    command: str = Field(max_length=4000)
    versions: dict[str, str]
    metrics: dict[str, float]
    weights_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


def make_recipe(
    kind: str, config, data: checkpoint.DataRecipe, training: dict, metrics: dict, command: str = "",
    model: ModelRecipe | None = None,
) -> Recipe:
    """The recipe of a companion whose settings are `config`, a dataclass; versions are filled in."""
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "latentscape": version("latentscape")}
    settings = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(config).items()}
    return Recipe(
        schema_version=SCHEMA_VERSION, kind=kind, config=settings, data=data, model=model, training=training, command=command,
        versions=versions, metrics=metrics,
    )


def to_bytes(network: nn.Module, recipe: Recipe) -> bytes:
    """The weights file: tensors in float32, and the recipe in the metadata."""
    tensors = {
        name: tensor.detach().to("cpu", torch.float32).contiguous()
        for name, tensor in network.state_dict().items() if tensor.is_floating_point()
    }
    embedded = recipe.model_dump_json(exclude={"weights_sha256"})
    return safetensors.torch.save(tensors, metadata={f"latentscape-{recipe.kind}": embedded})


def save(path: Path, weights: bytes, recipe: Recipe) -> None:
    """Write PATH.safetensors (the suffix may be left out) and PATH.json, as `checkpoint.save` does. Raises BadInput."""
    stem = path.with_suffix("") if path.suffix == ".safetensors" else path
    checkpoint.save(stem.parent, stem.name, weights, recipe)


def read_file(path: Path, called: str | None = None) -> bytes:
    """The bytes of PATH.safetensors (the suffix may be left out). Raises BadInput, which names the file, or what it is
    `called`."""
    name = called or path.name
    path = path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")
    try:
        with path.open("rb") as file:
            return file.read(checkpoint.MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{name} cannot be read ({error.strerror}); give the path of a file that was saved here.") from error


def open_bytes(weights: bytes, name: str, kind: str, build: Callable[[dict], Network]) -> tuple[Network, Recipe, str]:
    """A companion of this kind from the bytes of its weights file: the network in evaluation mode, its recipe, its SHA-256.

    `build` makes the network of a recipe's config, and raises BadInput or TypeError where there is none; sizes, header and
    recipe are checked before. Raises BadInput on any fault.
    """
    if len(weights) > checkpoint.MAX_BYTES:
        raise BadInput(f"{name} is larger than {checkpoint.MAX_BYTES // 2**20} MB, the most that is read.")
    recipe = _recipe_in(checkpoint.read_header(weights, name).get("__metadata__"), name, kind)
    network = _empty(recipe, name, build)
    try:
        tensors = safetensors.torch.load(weights)
        network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise BadInput(f"{name} does not hold the weights that its recipe describes; save it again.") from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise BadInput(f"{name} holds weights that are not finite numbers; the training had failed.")
    return network.eval().requires_grad_(False), recipe, hashlib.sha256(weights).hexdigest()


def model_in(weights: bytes, name: str, kind: str) -> str | None:
    """The SHA-256 of the model that a companion of this kind says it belongs to; its tensors are not looked at. Raises
    BadInput."""
    recipe = _recipe_in(checkpoint.read_header(weights, name).get("__metadata__"), name, kind)
    return recipe.model.digest if recipe.model else None


def _recipe_in(metadata: object, name: str, kind: str) -> Recipe:
    text = metadata.get(f"latentscape-{kind}") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise BadInput(f"{name} is no {kind} that Latentscape saved; give the file of one.")
    try:
        recipe = Recipe.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(f"The recipe of {name} is damaged; save it again.") from error
    if recipe.schema_version > SCHEMA_VERSION:
        raise BadInput(f"{name} was saved by a later Latentscape (format {recipe.schema_version}); update.")
    return recipe


def _empty(recipe: Recipe, name: str, build: Callable[[dict], Network]) -> Network:
    """The network's shapes without memory behind them."""
    try:
        with torch.device("meta"):
            return build(recipe.config)
    except BadInput as error:
        raise BadInput(f"The recipe of {name} cannot be built: {error}") from error
    except TypeError as error:
        raise BadInput(f"The recipe of {name} has settings that this version does not know.") from error
