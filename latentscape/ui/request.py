"""The request that a training is made of, from the values of a form and the visitor's own pictures."""

from latentscape.ui.own import picture_sets
from latentscape.ui.presets import TRAINING, form_settings
from latentscape.work.belongings import Pictures
from vae_core import data
from vae_core.array_file import is_array_file
from vae_core.checkpoint import safe_name
from vae_core.models import FAMILIES
from vae_core.train import TrainConfig
from vae_core.train_cli import command_line


def data_titles() -> dict[str, str]:
    """Every data set that this visitor may train on: name, or id of their own pictures -> title."""
    return data.TITLES | {pictures.id: pictures.title for pictures in picture_sets()}


def own_pictures(name: str) -> Pictures | None:
    """The visitor's own pictures with this id; None for a data set that has a name."""
    return next((pictures for pictures in picture_sets() if pictures.id == name), None)


def request_of(values: dict, pictures: Pictures | None = None) -> dict:
    """What a job is made of: `values` as in PLAIN, and the visitor's own pictures where they are the data.

    Raises BadInput where the values fit no model.
    """
    family = FAMILIES[values["kind"]]
    model = {name: value for name, value in values.items() if family.has(name) and value is not None}
    training = {field: values[field] for field in TRAINING}
    shape, name, read = {}, values["data"], {}
    if pictures is not None:
        shape, name = {"image_shape": pictures.images.image_shape}, data.own_name(pictures.images.name)
        read = _read_as(pictures)
    config = family.config(**model, **shape)
    TrainConfig(**training)
    title = f"{name} {family.size.format(**vars(config))}"
    if family.has("beta") and config.beta != 1:
        title += f" beta {config.beta:g}"
    asked = {"data": name, "kind": family.name} | read | model | training
    return {
        "data": name, "kind": family.name, "model": model, "training": training, "title": title,
        "command": command_of(asked, title),
    }


def _read_as(pictures: Pictures) -> dict:
    """The options of the command line that read the same pictures."""
    settings = pictures.settings
    if is_array_file(pictures.name):
        return {
            "data": f"file:{pictures.name}", "split_seed": settings.seed, "pixels": settings.pixels, "layout": settings.layout,
        }
    return {
        "data": f"folder:{pictures.name}", "image_size": settings.size, "fit": settings.fit, "split_seed": settings.seed,
        "split": "own" if settings.split == "own" else None, "class_level": settings.level,
    }


def command_of(asked: dict, title: str) -> str:
    """The shell command that runs the same training."""
    words, settings = [], form_settings(asked["kind"])
    for field, value in asked.items():
        flag = "--" + field.replace("_", "-")
        if value is True:
            words.append(flag)
        elif value is False and field in settings and settings[field].default is True:
            words.append(f"--no-{flag.removeprefix('--')}")
        elif value is not None and value is not False:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return command_line([*words, "--out", f"runs/{safe_name(title)}"])
