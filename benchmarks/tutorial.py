"""The usual tutorial loop, as it stands in a hundred notebooks: what ours is measured against.

torchvision's MNIST with ToTensor, a DataLoader, a 784-400-20 VAE with ReLU, Adam at 0.001, batch 128, summed BCE + KL.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


class TutorialVAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 400)
        self.fc21 = nn.Linear(400, 20)
        self.fc22 = nn.Linear(400, 20)
        self.fc3 = nn.Linear(20, 400)
        self.fc4 = nn.Linear(400, 784)

    def forward(self, x):
        h = F.relu(self.fc1(x.view(-1, 784)))
        mu, logvar = self.fc21(h), self.fc22(h)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def train_tutorial(root: Path, epochs: int, seed: int) -> Iterator[tuple[float, float]]:
    """Yields (training seconds so far, test loss in nats per image) after each epoch; evaluation is not counted."""
    torch.manual_seed(seed)
    transform = transforms.ToTensor()
    train_loader = DataLoader(datasets.MNIST(root, train=True, transform=transform), batch_size=128, shuffle=True)
    test_loader = DataLoader(datasets.MNIST(root, train=False, transform=transform), batch_size=128)
    model = TutorialVAE()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    seconds = 0.0
    for _ in range(epochs):
        model.train()
        began = time.perf_counter()
        for x, _labels in train_loader:
            optimizer.zero_grad()
            recon, mu, logvar = model(x)
            loss = loss_function(recon, x, mu, logvar)
            loss.backward()
            loss.item()  # tutorials add it up
            optimizer.step()
        seconds += time.perf_counter() - began
        model.eval()
        with torch.no_grad():
            total = sum(loss_function(*_first(model, x)).item() for x, _labels in test_loader)
        yield seconds, total / len(test_loader.dataset)


def _first(model, x):
    recon, mu, logvar = model(x)
    return recon, x, mu, logvar
