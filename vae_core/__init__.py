"""The science of Latentscape: data, models, training, evaluation. Knows no screen."""
