"""The families of models, one a file."""

from vae_core.family import Family
from vae_core.models import autoencoder, denoising, ebgan, gan, linear, restorer, vae

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        vae.FAMILY, autoencoder.FAMILY, linear.FAMILY, denoising.FAMILY, restorer.FAMILY, gan.FAMILY, ebgan.FAMILY,
    )
}
Config = vae.VAEConfig | autoencoder.AutoencoderConfig | restorer.RestorerConfig | gan.GANConfig | ebgan.EBGANConfig
Model = vae.VAE | autoencoder.Autoencoder | restorer.Restorer | gan.GAN | ebgan.EBGAN


def family_of(model: Model) -> Family:
    """The family of a model that is built."""
    return FAMILIES[model.config.kind]
