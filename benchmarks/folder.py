"""`make bench`: a colour folder on disk, our convolutional VAE beside the usual DataLoader + ImageFolder loop.

Both train the same network at the same batch size on the same files; ours reads the folder once, before. Prints images per
second over the epochs, without and with that reading, and the memory that reading a zip of 10,000 pictures took.
"""

import argparse
import io
import tempfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.training import processor
from vae_core import data, folder, train
from vae_core.models.vae import VAEConfig

SIZE, SIDE, BATCH = 32, 72, 128  # pixels of the model, pixels of the files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        write(Path(place), arguments.pictures)
        began = time.perf_counter()
        images, report = folder.read_pictures(Path(place), SIZE)
        reading = time.perf_counter() - began
        config = VAEConfig("conv", image_shape=images.image_shape, latent_dim=32)
        state = train.start(config, images, train.TrainConfig(epochs=arguments.epochs, batch_size=BATCH, device="cpu"))
        for _ in train.fit(state, images):
            pass
        seen = len(images.train_images) * arguments.epochs
        usual = usual_loop(Path(place), config, arguments.epochs)
    print(f"machine: {processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{report.read:,} PNGs of {SIDE} x {SIDE} read in {reading:.1f} s")
    print(f"ImageFolder + DataLoader: {usual:,.0f} images per second")
    for what, seconds in (("", state.seconds), (", reading included", state.seconds + reading)):
        print(f"ours{what}: {seen / seconds:,.0f} images per second, {seen / seconds / usual:.2f} times as many")
    print(f"10,000 pictures of 64 x 64 from a zip: {peak_of_reading() / 2**20:.0f} MB at most beside the file")


def usual_loop(place: Path, config: VAEConfig, epochs: int) -> float:
    """Images per second of the loop that tutorials teach: files opened, resized and stacked anew in each epoch."""
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = transforms.Compose([transforms.Resize(SIZE), transforms.CenterCrop(SIZE), transforms.ToTensor()])
    files = ImageFolder(place, steps)
    loader = torch.utils.data.DataLoader(files, batch_size=BATCH, shuffle=True)
    model, noise = config.build(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.defaults.lr)
    began = time.perf_counter()
    for _ in range(epochs):
        for x, _ in loader:
            drawn = model.draw(x, noise)
            optimizer.zero_grad()
            model.loss(x, drawn, model(*drawn)).objective.backward()
            optimizer.step()
    return len(files) * epochs / (time.perf_counter() - began)


def write(place: Path, count: int) -> None:
    """Coloured shapes as PNGs in three class folders."""
    images = data.load("shapes")
    for index, (image, label) in enumerate(zip(images.train_images[:count], images.train_labels, strict=False)):
        path = place / images.classes[label] / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).resize((SIDE, SIDE)).save(path)


def peak_of_reading() -> int:
    """Bytes held at most while 10,000 pictures of 64 x 64 are read."""
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(10_000):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(picture, "BMP")
            archive.writestr(f"{index}.bmp", picture.getvalue())
    raw = file.getvalue()
    tracemalloc.start()
    folder.read_pictures(raw, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


if __name__ == "__main__":
    main()
