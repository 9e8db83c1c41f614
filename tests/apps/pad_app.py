"""A page with one pad and what Python knows of it; query parameters choose the case.

?arch=residual&dims=3&layers=codes&half=1&unsupported=1&posterior=1&photo=1
"""

from pathlib import Path

import streamlit as st
import torch
from torch import nn

from latent_pad import Encoded, PadDecoder, Plane, Posterior, latent_pad, pack_decoder, pack_points, routes
from vae_core import checkpoint, data
from vae_core.models.vae import VAE, VAEConfig

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
SHIPPED = next(path for name in ("mnist-2d", "mnist-2d-tutorial") if (path := CHECKPOINTS / f"{name}.json").exists())


@st.cache_resource
def shipped():
    model = checkpoint.open_file(SHIPPED)
    images, labels = data.load("mnist").test_images[:2000], data.load("mnist").test_labels[:2000]
    with torch.no_grad():
        mu, logvar = model.model.encode(data.to_float(images))
    sigma = torch.exp(0.5 * logvar)
    points = pack_points(mu.numpy(), labels.numpy(), data.load("mnist").classes, images.numpy())
    return model, points, mu.numpy(), sigma.numpy()


@st.cache_resource
def made(architecture: str, dims: int, half: bool, unsupported: bool) -> tuple[VAE, PadDecoder]:
    torch.manual_seed(0)
    vae = VAE(VAEConfig(architecture=architecture, latent_dim=dims)).eval()
    decoder = nn.Sequential(vae.decoder, nn.Softplus()) if unsupported else vae.decoder
    return vae, pack_decoder(decoder, dims, (1, 28, 28), half=half)


def page() -> None:
    st.set_page_config(page_title="Pad", layout="wide")
    st.html("<style>.stMainBlockContainer { padding: 3rem 1rem; }</style>")
    asked = st.query_params
    layers = asked.get("layers", "both")
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    move = (1.0, -1.0) if st.button("Move", key="move") else None
    move = (9.0, -7.0) if st.button("Far", key="far") else move

    if "dims" in asked:
        dims = int(asked["dims"])
        vae, decoder = made(asked.get("arch", "mlp"), dims, asked.get("half") == "1", asked.get("unsupported") == "1")
        settled = latent_pad(
            decoder, Plane.axes(dims), layers=layers, position=move, key="pad",
            decode=lambda z: vae.decode(torch.tensor([z]))[0].detach().mul(255).round().byte().numpy(),
        )
    else:
        model, points, mu, sigma = shipped()
        has_image = asked.get("posterior") == "1"
        posterior = Posterior(mu[3], sigma[3]) if has_image else None
        encoded = Encoded(data.load("mnist").test_images[3], mu[3]) if has_image else None
        settled = latent_pad(
            model, points=points, position=move, posterior=posterior, encoded=encoded, layers=layers, key="pad"
        )

    st.text(f"z {','.join(f'{value:.6f}' for value in settled.z)}")
    st.text(f"runs {st.session_state['runs']}")


if __name__ == "__main__":
    page()
else:
    app = st.App(__file__, routes=routes())
