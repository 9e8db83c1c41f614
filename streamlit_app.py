"""Latentscape: train a small autoencoder in a browser tab, then walk through the space it learned."""

from ui.jobs import jobs
from ui.shell import frame

page = frame()
page.run()
jobs().warm_up()  # after the first page is on its way
