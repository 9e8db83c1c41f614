"""A family whose parts take turns within a step, each with its optimiser: two players of a game, the smallest there are."""

from dataclasses import dataclass, replace
from itertools import islice
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from test_train import tiny_set
from torch import nn

from vae_core.data import to_float
from vae_core.family import Loss, Term
from vae_core.models import FAMILIES
from vae_core.networks import Architecture
from vae_core.train import Epoch, Step, TrainConfig, fit, from_bytes, learning_rate, start


@dataclass(frozen=True)
class GameConfig:
    kind: ClassVar[str] = "game"
    image_shape: tuple[int, int, int] = (1, 8, 8)

    def __post_init__(self):
        object.__setattr__(self, "image_shape", tuple(self.image_shape))

    @property
    def defaults(self):
        return Architecture("", 8, 1, lr=1e-2, batch_size=64, clip=1.0)

    def build(self):
        return Game(self)


class Game(nn.Module):
    """Goodfellow et al. 2014 (arXiv:1406.2661), with the loss that does not saturate."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.critic, self.generator = nn.Linear(64, 1), nn.Linear(4, 64)

    def draw(self, x, generator):
        return x, torch.randn(len(x), 4, generator=generator)

    def forward(self, x, noise, part="critic"):
        made = torch.sigmoid(self.generator(noise))
        if part == "generator":
            return None, self.critic(made)
        return self.critic(x.flatten(1)), self.critic(made.detach())

    def loss(self, x, drawn, outputs, warm=1.0, part="critic"):
        real, made = outputs
        if part == "generator":
            fooled = F.softplus(-made).mean()
            return Loss(fooled, {"fooled": fooled})
        told = F.softplus(-real).mean() + F.softplus(made).mean()
        return Loss(told, {"told": told})

    def terms(self, x, drawn):
        real, made = self(*drawn)
        return {"fooled": F.softplus(-made)[:, 0], "told": (F.softplus(-real) + F.softplus(made))[:, 0]}


GAME = replace(
    FAMILIES["ae"], name="game", config=GameConfig, encodes=False, presets=(), parts=("critic", "generator"),
    terms=(Term("fooled", "", "", ""), Term("told", "", "", "")),
)


@pytest.fixture(autouse=True)
def _is_a_family(monkeypatch):
    monkeypatch.setitem(FAMILIES, "game", GAME)


def a_game(epochs=2):
    return start(GameConfig(), tiny_set(), TrainConfig(epochs=epochs, device="cpu", precision="fp32"))


def test_it_is_the_plain_loop_with_two_optimisers():
    state, by_hand = a_game(1), a_game(1)
    records = list(fit(state, tiny_set()))
    images = tiny_set().train_images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))
    model, noise = by_hand.model, torch.Generator().manual_seed(0)
    critic, generator = (torch.optim.Adam(part.parameters(), lr=1e-2) for part in (model.critic, model.generator))
    told = []
    for chosen in order.split(64):
        x, z = to_float(images[chosen]).flatten(1), torch.randn(len(chosen), 4, generator=noise)
        for turn, (part, optimizer) in enumerate(((model.critic, critic), (model.generator, generator))):
            made = torch.sigmoid(model.generator(z))
            loss = F.softplus(-model.critic(made)).mean() if turn else (
                F.softplus(-model.critic(x)).mean() + F.softplus(model.critic(made)).mean()
            )
            optimizer.zero_grad()
            optimizer.param_groups[0]["lr"] = learning_rate(len(told) // 2, 5, state.config)
            told.append(loss.item())
            loss.backward()
            nn.utils.clip_grad_norm_(part.parameters(), 1.0)
            optimizer.step()
    for name, weights in state.model.state_dict().items():
        torch.testing.assert_close(weights, model.state_dict()[name])
    first = records[0]
    assert isinstance(first, Step)
    assert first.terms == pytest.approx({"told": told[0], "fooled": told[1]})
    assert first.loss == pytest.approx(told[0] + told[1])


def test_a_turn_moves_nothing_of_the_other_part(monkeypatch):
    state, seen = a_game(1), []
    for part, optimizer in state.optimizers.items():
        def step(part=part, real=optimizer.step):
            before = {name: weights.clone() for name, weights in state.model.state_dict().items()}
            real()
            after = state.model.state_dict()
            seen.append((part, {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}))

        monkeypatch.setattr(optimizer, "step", step)
    for _ in fit(state, tiny_set()):
        pass
    assert seen == [("critic", {"critic"}), ("generator", {"generator"})] * 5


@pytest.mark.parametrize("stop", [1, 4, 5, 7])
def test_it_goes_on_from_where_it_was_saved(stop):
    whole = list(fit(a_game(), tiny_set()))
    state = a_game()
    first = list(islice(fit(state, tiny_set()), stop))
    state = from_bytes(state.to_bytes(), tiny_set())
    assert state.optimizers.keys() == {"critic", "generator"}
    rest = list(fit(state, tiny_set()))
    assert [record.loss for record in first + rest if isinstance(record, Step)] == [
        record.loss for record in whole if isinstance(record, Step)
    ]
    assert [record.test for record in first + rest if isinstance(record, Epoch)] == [
        record.test for record in whole if isinstance(record, Epoch)
    ]
