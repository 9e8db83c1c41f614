"""What every family of models keeps, whatever it is: it can what it says, and the house asks that and not its name."""

import ast
from dataclasses import asdict

import pytest
import torch
from conftest import ROOT, narrow

from vae_core.models import FAMILIES, family_of
from vae_core.settings import settings_of

HOUSE = [path for room in ("vae_core", "latentscape", "latent_pad", "pages") for path in sorted((ROOT / room).rglob("*.py"))]
SHAPE = (1, 8, 8)


def small(name: str):
    family = FAMILIES[name]
    return family.config(image_shape=SHAPE, **narrow(family))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_goes_by_the_name_of_its_settings(name):
    family = FAMILIES[name]
    assert family.name == family.config.kind == name
    assert family_of(small(name).build()) is family


@pytest.mark.parametrize("name", FAMILIES)
def test_its_models_can_what_it_says(name):
    family, model = FAMILIES[name], small(name).build().eval()
    x = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    drawn = model.draw(x, torch.Generator().manual_seed(0))
    with torch.no_grad():
        terms = model.terms(x, drawn)
        turns = [{"part": part} for part in family.parts] or [{}]
        told = [model.loss(x, drawn, model(*drawn, **turn), **turn).terms for turn in turns]
        losses = {name: value for each in told for name, value in each.items()}
        assert tuple(terms) == family.measured
        assert sorted(name for each in told for name in each) == sorted(family.measured)  # each in one turn
        for name, values in terms.items():
            assert values.shape == (3,)
            assert losses[name] == pytest.approx(values.mean().item(), rel=1e-5, abs=1e-6)
        assert hasattr(model, "codes") == family.encodes
        assert hasattr(model, "decode") == family.decodes
        assert hasattr(model, "restore") == family.repairs
        if family.decodes:
            codes = model.codes(x) if family.encodes else torch.randn(3, model.config.latent_dim)
            images = model.decode(codes)
            assert images.shape == x.shape
            assert 0 <= images.min() <= images.max() <= 1
        if family.needs_mask:
            assert model.restore(x, torch.zeros(3, 1, *SHAPE[1:], dtype=torch.bool)).shape == x.shape
    assert family.terms[0].name == "loss"
    assert {part for term in family.terms for part in term.of} <= set(family.measured)
    assert not family.has_posterior or family.has_prior
    assert family.likelihood == "none" or family.draws
    assert hasattr(model, "sample") == family.paints
    if family.paints:
        with torch.no_grad():
            assert model.sample(2, seed=1).shape == (2, *SHAPE)
    assert all(isinstance(getattr(model, part), torch.nn.Module) for part in family.parts)
    assert family.decodes or not family.has_prior


@pytest.mark.parametrize("name", FAMILIES)
def test_it_says_the_size_of_a_model_from_its_settings_alone(name):
    family, config = FAMILIES[name], small(name)
    for words in (family.size, family.network):
        said = words.format(**asdict(config))
        sizes = [str(config.latent_dim)] if hasattr(config, "latent_dim") else []
        assert not settings_of(family.config) or any(size in said for size in ("8", *sizes))
        assert "{" not in said


def test_a_setting_is_of_one_type_in_all_families_and_may_have_its_default():
    """Its option on the command line is one for them all."""
    kinds = {}
    for family in FAMILIES.values():
        for field, each in settings_of(family.config).items():
            each.check(each.default)
            assert kinds.setdefault(field, each.kind) is each.kind, (family.name, field)


@pytest.mark.parametrize("path", HOUSE, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_asks_for_the_class_or_the_name_of_a_model(path):
    """But for its own file, for what works with one family alone, and for the settings that a form or a command starts from."""
    classes = {"VAE", "Autoencoder", "DenoisingAutoencoder", "Restorer", "GAN", "EBGAN", "PixelCNN", "MADE", "FVSBN"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            assert not classes & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}, ast.unparse(node)
        if isinstance(node, ast.Compare) and ast.unparse(node.left).split(".")[-1].strip("'\"])") == "kind":
            words = {part.value for side in node.comparators for part in ast.walk(side) if isinstance(part, ast.Constant)}
            assert not words & FAMILIES.keys(), ast.unparse(node)
