"""The families of models, one a file."""

from vae_core.family import Family
from vae_core.models import autoencoder, denoising, ebgan, fvsbn, gan, linear, made, pixelcnn, restorer, vae

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        vae.FAMILY, autoencoder.FAMILY, linear.FAMILY, denoising.FAMILY, restorer.FAMILY, gan.FAMILY, ebgan.FAMILY,
        pixelcnn.FAMILY, made.FAMILY, fvsbn.FAMILY,
    )
}
Config = (
    vae.VAEConfig | autoencoder.AutoencoderConfig | restorer.RestorerConfig | gan.GANConfig | ebgan.EBGANConfig
    | pixelcnn.PixelCNNConfig | made.MADEConfig | fvsbn.FVSBNConfig
)
Model = (
    vae.VAE | autoencoder.Autoencoder | restorer.Restorer | gan.GAN | ebgan.EBGAN
    | pixelcnn.PixelCNN | made.MADE | fvsbn.FVSBN
)


def family_of(model: Model) -> Family:
    """The family of a model that is built."""
    return FAMILIES[model.config.kind]
