"""The pad's JavaScript against torch, numpy and torch.distributions: in node where it is installed, and in Chromium."""

import base64
import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import scipy.stats
import torch
from conftest import PATIENCE
from torch import nn

import latent_pad
from latent_pad import Heat, Plane, pack_decoder
from latent_pad.decoder_plan import Unsupported, decoder_plan
from vae_core import checkpoint
from vae_core.models import FAMILIES, restorer
from vae_core.models.vae import VAE, VAEConfig

TESTS = Path(__file__).parent
ASSETS = TESTS.parent / "latent_pad" / "assets"
SHIPPED = [  # those that can be explored: a restorer has no code
    path for path in sorted((TESTS.parent / "checkpoints").glob("*.json"))
    if FAMILIES[json.loads(path.read_text())["kind"]].decodes
]
NODE = shutil.which("node")
ORIGIN = "http://127.0.0.1:9"  # nobody listens there
TOLERANCE = 1e-4  # of a pixel in [0, 1], before it becomes a byte


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> Path:
    """The assets and the tasks beside a package.json that tells node that they are modules."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copytree(ASSETS, folder / "assets")
    for name in ("pad_runtime.js", "pad_runtime.mjs"):
        shutil.copy(TESTS / name, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.fixture(scope="module")
def in_node(modules):
    def ask(task: str, request: dict) -> dict:
        command = [NODE, modules / "pad_runtime.mjs", modules / "assets", task]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def in_chromium(modules, chromium):
    """No server: the browser's requests are answered from the folder."""
    files = {f"/{path.relative_to(modules).as_posix()}": path.read_text() for path in modules.rglob("*.js")}
    page = chromium.new_page()

    def answer(route, request):
        script = files.get(request.url.removeprefix(ORIGIN))
        route.fulfill(body=script or "<!doctype html>", content_type="text/javascript" if script else "text/html")

    page.route(f"{ORIGIN}/**", answer)
    page.goto(f"{ORIGIN}/")
    script = """async ([task, request]) => {
        const { tasks } = await import("/pad_runtime.js");
        return tasks[task]((name) => import(`/assets/${name}`), request);
    }"""
    yield lambda task, request: page.evaluate(script, [task, request])
    page.close()


@pytest.fixture(scope="module")
def in_js(request):
    """node, else Chromium; where there is neither, the fixture `chromium` says so."""
    return request.getfixturevalue("in_node" if NODE else "in_chromium")


def pack(array) -> str:
    return base64.b64encode(np.ascontiguousarray(array, np.float32).tobytes()).decode()


def unpack(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.float32)


def worst_difference(ask, decoder: nn.Module, latent_dim: int, shape, half=False, output="sigmoid", count=1000) -> float:
    """The largest difference of a pixel between the browser's decoder and torch's on `count` random z."""
    packed = pack_decoder(decoder, latent_dim, shape, half=half, output=output)
    z = 1.5 * torch.randn(count, latent_dim, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = decoder(z).flatten(1)
        expected = {"sigmoid": torch.sigmoid(expected), "signed": (expected + 1) / 2, "none": expected}[output]
    answer = ask("decode", {"parcel": base64.b64encode(packed.parcel.payload).decode(), "z": pack(z)})
    images = unpack(answer["images"]).reshape(count, -1)
    assert images.shape == expected.shape
    assert images.std() > 0.01, "the images must not all be the same"
    return float(np.abs(images - expected.numpy()).max())


def shaken(module: nn.Module, half: bool = False) -> nn.Module:
    """Every weight, also those that start at zero or one, made random; with `half`, such as float16 can hold."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator) / max(1, tensor[0].numel()) ** 0.5
                value = noise.abs() + 0.5 if name.endswith("running_var") else tensor + noise
                tensor.copy_(value.half() if half else value)
    return module.eval()


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("latent_dim", [1, 2, 3, 64])
@pytest.mark.parametrize("architecture", ["mlp", "residual"])
def test_decoders_agree_with_torch(in_js, architecture, latent_dim, half):
    vae = VAE(VAEConfig(architecture=architecture, latent_dim=latent_dim, depth=2))
    assert worst_difference(in_js, shaken(vae, half).decoder, latent_dim, (1, 28, 28), half=half) < TOLERANCE


@pytest.mark.browser
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_decoders_agree_inside_chromium(in_chromium, path):
    model = checkpoint.open_file(path)
    config = model.model.config
    shape, output = config.image_shape, "sigmoid" if model.has_prior else "signed"
    difference = worst_difference(in_chromium, model.model.decoder, config.latent_dim, shape, model.half, output)
    assert difference < TOLERANCE


@torch.no_grad()
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_pad_decodes_to_the_pictures_that_the_model_decodes_to(in_js, path):
    model = checkpoint.open_file(path)
    packed = latent_pad._packed(model)
    z = torch.randn(5, packed.latent_dim, generator=torch.Generator().manual_seed(2))
    answer = in_js("decode", {"parcel": base64.b64encode(packed.parcel.payload).decode(), "z": pack(z)})
    pictures = unpack(answer["images"]).clip(0, 1)  # as the screen does
    np.testing.assert_allclose(pictures, model.model.decode(z).flatten(), atol=TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.decodes])
def test_the_pad_decodes_what_a_model_of_any_family_decodes(in_js, name):
    model = shaken(FAMILIES[name].config(image_shape=(3, 8, 9), hidden=8).build())
    opened = checkpoint.Checkpoint(name, model, None, name, half=False)
    packed = latent_pad._packed(opened)
    z = torch.randn(5, packed.latent_dim, generator=torch.Generator().manual_seed(2))
    answer = in_js("decode", {"parcel": base64.b64encode(packed.parcel.payload).decode(), "z": pack(z)})
    np.testing.assert_allclose(unpack(answer["images"]).clip(0, 1), model.decode(z).flatten(), atol=TOLERANCE)


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize(
    ("architecture", "shape", "latent_dim"),
    [("conv", (1, 28, 28), 2), ("conv", (3, 32, 32), 10), ("conv", (3, 64, 64), 128), ("conv-course", (3, 32, 32), 180)],
    ids=str,
)
def test_convolutional_decoders_agree_with_torch(in_js, architecture, shape, latent_dim, half):
    vae = VAE(VAEConfig(architecture=architecture, image_shape=shape, latent_dim=latent_dim))
    assert worst_difference(in_js, shaken(vae, half).decoder, latent_dim, shape, half=half, count=50) < TOLERANCE


def test_layers_of_odd_sizes_agree_with_torch(in_js):
    decoder = shaken(nn.Sequential(nn.Linear(3, 7), nn.Tanh(), nn.Linear(7, 6), nn.SiLU(), nn.Linear(6, 15, bias=False)))
    assert worst_difference(in_js, decoder, 3, (1, 3, 5), count=100) < TOLERANCE


def conv_decoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(5, 32), nn.BatchNorm1d(32), nn.ReLU(),
        nn.Unflatten(1, (2, 4, 4)),
        nn.BatchNorm2d(2),  # after no layer that it could be folded into
        nn.ConvTranspose2d(2, 8, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU(),
        nn.ConvTranspose2d(8, 3, (3, 5), stride=(2, 3), padding=(1, 2), output_padding=(1, 2)), nn.Tanh(),
        nn.Flatten(), nn.LayerNorm(3 * 16 * 24), nn.Sigmoid(),
    )


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_a_convolutional_decoder_agrees_with_torch(in_js, half):
    decoder = shaken(conv_decoder(), half)
    assert decoder(torch.zeros(1, 5)).shape == (1, 3 * 16 * 24)
    assert worst_difference(in_js, decoder, 5, (3, 16, 24), half=half, output="none", count=200) < TOLERANCE


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "extra"),
    [(1, 1, 0, 0), (3, 1, 1, 0), (4, 2, 1, 0), (5, 3, 2, 1), (2, 2, 0, 1), (4, 4, 3, 2)],
)
def test_transposed_convolutions_agree_with_torch(in_js, kernel, stride, padding, extra):
    convolution = shaken(nn.ConvTranspose2d(2, 3, kernel, stride, padding, extra))
    decoder = nn.Sequential(nn.Unflatten(1, (2, 5, 6)), convolution)
    shape = tuple(decoder(torch.zeros(1, 60)).shape[1:])
    assert worst_difference(in_js, decoder, 60, shape, output="none", count=20) < TOLERANCE


def test_every_float16_and_bfloat16_is_read_as_it_is(in_js):
    bits = np.arange(2**16, dtype=np.uint16)
    tensors = {"half": torch.from_numpy(bits.copy()).view(torch.float16), "brain": torch.from_numpy(bits).view(torch.bfloat16)}
    answer = in_js("tensors", {"parcel": base64.b64encode(safetensors.torch.save(tensors)).decode()})
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(unpack(answer[name]), tensor.float().numpy())


@pytest.mark.parametrize(
    "layer",
    [nn.Softplus(), nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(2, 2, 3, groups=2), nn.LayerNorm((2, 2)), nn.GRU(2, 2),
     restorer.ResidualBlock(4)],
)
def test_a_layer_that_the_runtime_lacks_is_named(layer):
    with pytest.raises(Unsupported, match=type(layer).__name__):
        decoder_plan(nn.Sequential(nn.Linear(2, 4), layer))
    packed = pack_decoder(nn.Sequential(nn.Linear(2, 4), layer), 2, (1, 2, 2))
    assert packed.parcel is None
    assert type(layer).__name__ in packed.missing


def assert_same_ellipse(got: dict, mean: np.ndarray, covariance: np.ndarray):
    assert got["a"] >= got["b"]
    turn = np.array([[math.cos(got["angle"]), -math.sin(got["angle"])], [math.sin(got["angle"]), math.cos(got["angle"])]])
    np.testing.assert_allclose([got["x"], got["y"]], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(turn @ np.diag([got["a"] ** 2, got["b"] ** 2]) @ turn.T, covariance, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("orthonormal", [True, False])
def test_geometry_agrees_with_linear_algebra(in_js, orthonormal):
    rng = np.random.default_rng(0)
    dims = 7
    basis = rng.normal(size=(dims, 2))
    if orthonormal:
        basis = np.linalg.qr(basis)[0]
    origin, z, mu, sigma = rng.normal(size=dims), rng.normal(size=dims), rng.normal(size=dims), rng.uniform(0.1, 2, dims)
    codes = rng.normal(size=(500, dims)).astype(np.float32)
    plane = Plane(origin, basis[:, 0], basis[:, 1])
    request = {
        "plane": {"id": "", "origin": plane.origin, "u": plane.u, "v": plane.v, "labels": ["x", "y"]},
        "z": z.tolist(), "distribution": {"mu": mu.tolist(), "sigma": sigma.tolist()}, "codes": pack(codes),
    }
    got = in_js("geometry", request)

    inverse = np.linalg.pinv(basis)
    np.testing.assert_allclose(got["point"], origin + basis @ [0.5, -1.25], rtol=1e-5)
    np.testing.assert_allclose(got["point"], plane.point(0.5, -1.25), rtol=1e-5)
    np.testing.assert_allclose(got["coordinates"], inverse @ (z - origin), rtol=1e-5)
    np.testing.assert_allclose(plane.coordinates(z), inverse @ (z - origin), rtol=1e-5)
    assert_same_ellipse(got["posterior"], inverse @ (mu - origin), inverse @ np.diag(sigma**2) @ inverse.T)
    middle, covariance = inverse @ -origin, np.linalg.inv(basis.T @ basis)
    assert_same_ellipse(got["prior"], middle, covariance)
    offset = np.array([0.5, -1.25]) - middle
    assert got["priorDistance"] == pytest.approx(math.sqrt(offset @ np.linalg.inv(covariance) @ offset), rel=1e-5)
    normal = torch.distributions.Normal(0, 1)
    assert got["logPrior"] == pytest.approx(normal.log_prob(torch.tensor(z)).sum().item(), rel=1e-5)
    distances = np.linalg.norm(codes - z, axis=1)
    assert got["nearest"]["index"] == distances.argmin()
    assert got["nearest"]["distance"] == pytest.approx(distances.min(), rel=1e-4)


def test_draws_from_a_posterior_are_mu_plus_sigma_times_epsilon(in_js):
    rng = np.random.default_rng(0)
    mu, sigma = rng.normal(size=5), rng.uniform(0.01, 1.5, 5)
    plane = Plane(rng.normal(size=5), *np.linalg.qr(rng.normal(size=(5, 2)))[0].T)
    request = {
        "plane": {"id": "", "origin": plane.origin, "u": plane.u, "v": plane.v, "labels": ["x", "y"]},
        "distribution": {"mu": mu.tolist(), "sigma": sigma.tolist()}, "more": 20_000,
    }
    got = in_js("posterior", request)
    assert len(got["first"]) == 10
    for draw in got["first"]:
        np.testing.assert_allclose(draw["z"], mu + sigma * draw["epsilon"], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([draw["x"], draw["y"]], plane.coordinates(draw["z"]), rtol=1e-5, atol=1e-6)
    assert got["again"] == [draw["z"] for draw in got["first"]], "the same image has the same first draws"
    assert got["kept"] == [*got["again"][1:], got["latest"]], "the oldest goes"
    np.testing.assert_allclose(got["half"], (mu + got["latest"]) / 2, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mu + sigma * got["epsilon"], got["latest"], rtol=1e-5, atol=1e-6)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.tensor(mu), torch.tensor(sigma)), torch.distributions.Normal(0.0, 1.0)
    )
    assert got["order"] == kl.argsort(descending=True).tolist()
    assert scipy.stats.kstest(got["many"], "norm").pvalue > 0.01
    assert abs(np.corrcoef(got["many"][:-1], got["many"][1:])[0, 1]) < 0.02


@pytest.mark.parametrize("root", [False, True])
def test_the_value_under_the_cursor_is_the_heat_map_s(in_js, root):
    x, y = np.meshgrid(np.linspace(-2, 4, 61), np.linspace(3, -1, 41))  # the first row on top
    heat = Heat(4 + x + 2 * y, (-2, 4, -1, 3), "a unit", root=root)
    points = [[-2, -1], [4, 3], [0.33, 1.27], [1, -0.4], [4.01, 0], [0, 3.01], [-2.01, 0]]
    got = in_js("heat", {"heat": heat.message(), "points": points})
    assert got[4:] == [None] * 3, "outside"
    assert got[:4] == pytest.approx([4 + x + 2 * y for x, y in points[:4]], abs=0.05)  # a byte each, of 14
    line = Heat([[0, 1, 4]], (0, 2, 0, 0), "a unit").message()
    assert in_js("heat", {"heat": line, "points": [[0.5, 0], [2, 0], [3, 0]]}) == pytest.approx([0.5, 4, None], abs=0.01)


def test_the_window_is_to_scale_and_zooms_around_the_pointer(in_js):
    codes = np.random.default_rng(0).normal([5, 0], [2, 1], size=(1000, 2))
    got = in_js("window", {"coordinates": codes.tolist()})
    bounds, scale = got["before"]["bounds"], got["before"]["scale"]
    assert (bounds["right"] - bounds["left"]) * scale == pytest.approx(600)
    assert (bounds["top"] - bounds["bottom"]) * scale == pytest.approx(400)
    low, high = np.quantile(codes[:, 0], [0.02, 0.98])
    assert bounds["left"] < low < high < bounds["right"]
    assert got["before"]["corner"] == pytest.approx([0.3, -0.2])
    assert got["after"]["scale"] == pytest.approx(2 * scale)
    assert got["after"]["under"] == pytest.approx(got["under"])
    assert got["follows"]
