"""Weights (safetensors) and recipe (JSON): what passes from training to exploring, and the only door for files.

`NAME.safetensors` holds the tensors and, in its metadata, the recipe, so that the one file is enough to open a model;
`NAME.json` beside it is the same recipe for people, with the SHA-256 of the weights file. Everything is checked against
the recipe before a model is built: pickle is never read.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import platform
import re
import struct
import zipfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from vae_core import archive
from vae_core.errors import BadInput, shortly
from vae_core.family import Family
from vae_core.models import FAMILIES, Config, Model, family_of

SCHEMA_VERSION = 1
SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"
MAX_BYTES = 64 * 2**20  # of a weights file from outside
MAX_HEADER = 2**20  # bytes of its JSON header, recipe included
MAX_RECIPE = 2**20
DTYPES = {"F32": 4, "F16": 2, "BF16": 2}


class DataRecipe(BaseModel):
    """Which images: the set's name, the SHA-256 of its tensors, the class names."""

    model_config = ConfigDict(strict=True, extra="forbid")
    name: str = Field(max_length=200)
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    classes: list[str] = Field(max_length=1000)


class Recipe(BaseModel):
    """Everything about a checkpoint that is not a tensor. `weights_sha256` stands only in the JSON beside the file."""

    model_config = ConfigDict(strict=True, extra="forbid")
    schema_version: int
    kind: str
    title: str = Field(max_length=200)
    config: dict
    data: DataRecipe
    training: dict
    command: str = Field(max_length=4000)
    versions: dict[str, str]
    epochs: list[dict[str, float | int]] = Field(max_length=100_000)
    metrics: dict[str, float]
    weights_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")


@dataclass(frozen=True)
class Checkpoint:
    """A model in evaluation mode with its recipe. `digest` is the SHA-256 of the weights file: use it as a cache key."""

    name: str
    model: Model
    recipe: Recipe
    digest: str
    half: bool  # whether the file holds float16

    @property
    def family(self) -> Family:
        """What its model can do."""
        return family_of(self.model)

    @property
    def has_prior(self) -> bool:
        """Whether codes have a prior: those of a VAE do, those of other autoencoders are points."""
        return self.family.has_prior


def make_recipe(model: Model, title: str, data, training: dict, command: str, epochs: list[dict], metrics: dict) -> Recipe:
    """The recipe of `model` trained on `data` (an ImageSet) with settings `training`; versions are filled in."""
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "latentscape": version("latentscape")}
    return Recipe(
        schema_version=SCHEMA_VERSION, kind=model.config.kind, title=title, config=json.loads(json.dumps(asdict(model.config))),
        data=DataRecipe(name=data.name, digest=data.digest, classes=list(data.classes)), training=training,
        command=command, versions=versions, epochs=epochs, metrics=metrics,
    )


def numbers(model: Model) -> dict[str, Tensor]:
    """What a checkpoint keeps of a model: its state but for the batch normalisations' counters, which nothing here reads."""
    return {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def to_bytes(model: Model, recipe: Recipe, half: bool = False) -> bytes:
    """The weights file: tensors (float16 with `half`, else float32) and the recipe in the metadata."""
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in numbers(model).items()}
    embedded = recipe.model_dump_json(exclude={"weights_sha256"})
    return safetensors.torch.save(tensors, metadata={"latentscape": embedded})


def recipe_json(recipe: Recipe, weights: bytes) -> str:
    """The recipe for people, with the SHA-256 of the weights file that it belongs to."""
    signed = recipe.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    return json.dumps(signed.model_dump(), indent=1, allow_nan=False) + "\n"


def save(folder: Path, name: str, weights: bytes, recipe: Recipe) -> None:
    """Write NAME.safetensors and NAME.json into `folder` so that a kill at any moment leaves a whole pair.

    Both are written aside first; between the two renames, `open_file` finds the new recipe in NAME.json.new.
    Raises BadInput where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _settle(folder, name)
        write_aside(folder / f"{name}.json", recipe_json(recipe, weights).encode())
        try:
            write_aside(folder / f"{name}.safetensors", weights)
            os.replace(folder / f"{name}.safetensors.new", folder / f"{name}.safetensors")
        except OSError:
            (folder / f"{name}.json.new").unlink(missing_ok=True)
            raise
        os.replace(folder / f"{name}.json.new", folder / f"{name}.json")
    except OSError as error:
        raise BadInput(
            f"The checkpoint {name} could not be written ({error.strerror}); free some space or choose another folder."
        ) from error


def _settle(folder: Path, name: str) -> None:
    """Finish a save that was killed between its two renames, before NAME.json.new is written anew."""
    weights, aside = folder / f"{name}.safetensors", folder / f"{name}.json.new"
    if weights.exists() and aside.exists():
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if digest.encode() in aside.read_bytes():
            os.replace(aside, folder / f"{name}.json")


def write_aside(path: Path, content: bytes) -> None:
    """Write PATH.new and push it to the disk: the first half of an atomic replacement. Where that fails nothing is left."""
    try:
        with open(f"{path}.new", "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(f"{path}.new").unlink(missing_ok=True)
        raise


def bundle(name: str, weights: bytes) -> bytes:
    """A zip file to take away: NAME.safetensors, NAME.json, and train.sh with the command that trains it again."""
    recipe, packed = open_bytes(weights, name).recipe, io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr(f"{name}.safetensors", weights)
        made.writestr(f"{name}.json", recipe_json(recipe, weights))
        made.writestr("train.sh", recipe.command + "\n")
    return packed.getvalue()


def unbundled(packed: bytes, name: str) -> tuple[str, bytes]:
    """What the one model in a zip file is called, and its weights file, checked against the recipe beside it where there is
    one; `name` is the zip file's own. Nothing else in it is looked at. Raises BadInput."""
    with archive.open_zip(packed, name) as opened:
        inside = {entry.filename: entry for entry in opened.infolist() if _is_weights(entry.filename)}
        if len(inside) != 1:
            raise BadInput(f"{name} holds {len(inside) or 'no'} .safetensors files; give a zip file with one model in it.")
        ((path, entry),) = inside.items()
        weights, stem = _read_entry(opened, entry, MAX_BYTES, name), path.removesuffix(".safetensors")
        recipe = next((each for each in opened.infolist() if each.filename == f"{stem}.json"), None)
        raw = None if recipe is None else _read_entry(opened, recipe, MAX_RECIPE, name)
    if raw is not None and read_recipe(raw, name).weights_sha256 != hashlib.sha256(weights).hexdigest():
        raise BadInput(f"The model in {name} does not match the SHA-256 in the recipe beside it; download it again.")
    return archive.parts(stem)[-1], weights


def _is_weights(path: str) -> bool:
    parts = archive.parts(path)
    return path.endswith(".safetensors") and bool(parts) and not any(map(archive.is_junk, parts))


def _read_entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int, name: str) -> bytes:
    """The bytes of one entry, whatever size it says it has."""
    if entry.file_size <= most and (reason := archive.refused(entry, most)):
        raise BadInput(f"The model in {name} is not read. {reason}")
    try:
        with opened.open(entry) as file:
            raw = file.read(most + 1)
    except Exception as error:  # zipfile and zlib raise nearly anything on damaged entries
        raise BadInput(f"{name} is damaged; download it again.") from error
    if max(len(raw), entry.file_size) > most:
        raise BadInput(f"{name} unpacks to more than {most // 2**20} MB, the most that is read of a model.")
    return raw


def load(source: str | Path) -> Model:
    """The model of a checkpoint, ready to encode and decode: a shipped one by its name ("mnist-2d"), PATH.safetensors (the
    suffix may be left out), or the zip file that a training is downloaded as. Float32 on the CPU, in evaluation mode, no
    gradients asked for. Raises BadInput."""
    return find(source).model.requires_grad_(False)


def find(source: str | Path) -> Checkpoint:
    """The checkpoint that `load` has the model of, with its recipe."""
    path = Path(os.path.expanduser(source))
    for candidate in (path, SHIPPED / source):
        if any(_is_file(file) for file in (candidate, Path(f"{candidate}.safetensors"))):
            return open_file(candidate, str(source))
    names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
    raise BadInput(f"There is no checkpoint {shortly(str(source))}; give a path, or the name of a shipped one: {names}.")


def _is_file(path: Path) -> bool:
    with contextlib.suppress(OSError):  # a name that no file can have
        return path.is_file()
    return False


def open_file(path: Path, called: str | None = None) -> Checkpoint:
    """The checkpoint at PATH.safetensors (the suffix may be left out), checked against PATH.json where that lies beside it; or
    in the zip file that a training is downloaded as. Raises BadInput on any fault, which names the file, or what it is
    `called`."""
    if path.suffix.lower() == ".zip":
        name = called or path.name
        return open_bytes(*reversed(unbundled(_zip_bytes(path, name), name)))
    path = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    weights_path, recipe_path = path.with_name(f"{path.name}.safetensors"), path.with_name(f"{path.name}.json")
    try:
        with weights_path.open("rb") as file:
            _refuse_state(file.read(8 + MAX_HEADER), called or weights_path.name)
        if weights_path.stat().st_size > MAX_BYTES:
            raise BadInput(
                f"{called or weights_path.name} is larger than {MAX_BYTES // 2**20} MB, the most a checkpoint may have."
            )
        weights = weights_path.read_bytes()
        recipes = [p.read_bytes() for p in (recipe_path, Path(f"{recipe_path}.new")) if p.exists()]
    except OSError as error:
        raise BadInput(
            f"The checkpoint {called or path.name} cannot be read ({error.strerror}); run `make checkpoints` or choose another."
        ) from error
    if not recipes:  # the weights hold their recipe too
        return open_bytes(weights, called or path.name)
    digest = hashlib.sha256(weights).hexdigest()
    for raw in recipes:
        if read_recipe(raw, called or path.name).weights_sha256 == digest:
            return open_bytes(weights, called or path.name)
    raise BadInput(
        f"The checkpoint {called or path.name} does not match the SHA-256 in its recipe {recipe_path.name}; "
        "restore both files or train it again."
    )


def _zip_bytes(path: Path, name: str) -> bytes:
    file, size = archive.open_bounded(path, name, "zip file")
    with file:
        if size > 2 * MAX_BYTES:
            raise BadInput(f"{name} is larger than {2 * MAX_BYTES // 2**20} MB, the most that is read of a model.")
        return file.read()


def open_bytes(weights: bytes, name: str) -> Checkpoint:
    """A checkpoint from the bytes of one weights file, the way an upload comes. Raises BadInput on any fault.

    Order matters: sizes, header, recipe and shapes are all checked before a tensor is allocated.
    """
    _refuse_state(weights[: 8 + MAX_HEADER], name)
    if len(weights) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES // 2**20} MB, the most a checkpoint may have.")
    header = read_header(weights, name)
    recipe = _recipe_in(header.pop("__metadata__", None), name)
    model = _empty_model(recipe, name)
    _compare(header, model, name)
    try:
        tensors = safetensors.torch.load(weights)
    except safetensors.SafetensorError as error:
        raise BadInput(f"{name} is damaged; save or download it again.") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise BadInput(f"{name} holds weights that are not finite numbers; the training had failed.")
    model.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, assign=True)
    half = all(entry["dtype"] == "F16" for entry in header.values())
    return Checkpoint(name, model.eval(), recipe, hashlib.sha256(weights).hexdigest(), half)


def embedded_recipe(weights: bytes, name: str) -> Recipe:
    """The recipe in a weights file, whose tensors are not looked at. Raises BadInput as `open_bytes` does."""
    return _recipe_in(read_header(weights, name).get("__metadata__"), name)


def _refuse_state(beginning: bytes, name: str) -> None:
    """Raise BadInput where a file is a run to go on with, as `TrainState.to_bytes` writes it, and no model to open."""
    try:
        metadata = read_header(beginning, name).get("__metadata__")
    except BadInput:  # something else: it is refused in its own words
        return
    if isinstance(metadata, dict) and "state" in metadata and "latentscape" not in metadata:
        raise BadInput(f"{name} is a run to go on with (--resume) and no model; open the checkpoint.safetensors beside it.")


def _recipe_in(metadata: object, name: str) -> Recipe:
    text = metadata.get("latentscape") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise BadInput(f"{name} holds weights but no Latentscape recipe; open a file that Latentscape saved.")
    return read_recipe(text.encode(errors="replace"), name)


def read_recipe(raw: bytes, name: str) -> Recipe:
    """A recipe from JSON, strictly: no unknown or duplicate keys, no NaN, nothing from a later version."""
    if len(raw) > MAX_RECIPE:
        raise BadInput(f"The recipe of {name} is larger than {MAX_RECIPE // 2**20} MB.")
    content = _strict_json(raw, f"The recipe of {name}")
    version = content.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BadInput(
            f"{name} was saved by a later Latentscape (format {shortly(version)}, this one reads {SCHEMA_VERSION}); update."
        )
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        field = " ".join(".".join(str(part) for part in error.errors()[0]["loc"])[:80].split())
        raise BadInput(f"The recipe of {name} has a missing or wrong entry ({field}); save the checkpoint again.") from error
    if recipe.kind not in FAMILIES:
        raise BadInput(f"{name} is a model of an unknown kind; this Latentscape reads {', '.join(FAMILIES)}.")
    return recipe


def config_of(recipe: Recipe, name: str) -> Config:
    """The model's settings, checked by their own limits before anything is allocated."""
    try:
        return FAMILIES[recipe.kind].config(**recipe.config)
    except BadInput as error:
        raise BadInput(f"The recipe of {name} cannot be built: {error}") from error
    except TypeError as error:
        raise BadInput(f"The recipe of {name} has settings that this version does not know.") from error


def _empty_model(recipe: Recipe, name: str) -> Model:
    """The model's shapes without memory behind them."""
    with torch.device("meta"):
        return config_of(recipe, name).build()


def read_header(weights: bytes, name: str) -> dict:
    """The JSON header of a safetensors file, bounded. Its length stands before it, in eight bytes, little-endian."""
    refused = f"{name} is not a safetensors file; only checkpoints that Latentscape saved can be opened (never pickle or .pt)."
    if len(weights) < 8:
        raise BadInput(refused)
    (length,) = struct.unpack("<Q", weights[:8])
    if length > len(weights) - 8 or weights[8:9] != b"{":
        raise BadInput(refused)
    if length > MAX_HEADER:
        raise BadInput(f"{name} has a header of {length:,} bytes; at most {MAX_HEADER:,} are read.")
    return _strict_json(weights[8 : 8 + length], f"The header of {name}")


def _strict_json(raw: bytes, what: str) -> dict:
    def unique(pairs):
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError("duplicate key")
        return dict(pairs)

    def refuse(constant):
        raise ValueError(constant)

    def finite(text):
        if not math.isfinite(value := float(text)):
            raise ValueError(text)
        return value

    try:
        content = json.loads(raw, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)
        json.dumps(content, ensure_ascii=False).encode()  # half a character (a lone surrogate) cannot be written again
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what} is damaged: it is not plain JSON with each key once.") from error
    if not isinstance(content, dict):
        raise BadInput(f"{what} is damaged: it is not a JSON object.")
    return content


def _compare(header: dict, model: Model, name: str) -> None:
    """Names, shapes and types of the file against those of the model that the recipe describes."""
    expected: dict[str, Tensor] = numbers(model)
    if header.keys() != expected.keys():
        raise BadInput(f"{name} does not hold the weights that its recipe describes (names differ).")
    for key, entry in header.items():
        shape, dtype = (entry.get("shape"), entry.get("dtype")) if isinstance(entry, dict) else (None, None)
        if shape != list(expected[key].shape):
            raise BadInput(f"{name} does not hold the weights that its recipe describes (the shape of {key} differs).")
        if not isinstance(dtype, str) or dtype not in DTYPES:
            raise BadInput(f"{name} holds numbers of a type that is not read here; save it in float32 or float16.")
    size = sum(math.prod(entry["shape"]) * DTYPES[entry["dtype"]] for entry in header.values())
    if size > MAX_BYTES:
        raise BadInput(f"{name} describes more than {MAX_BYTES // 2**20} MB of weights.")


def safe_name(text: str) -> str:
    """A file name made from any text: lower-case letters, digits and dashes, at most 60 characters, never empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "model"
