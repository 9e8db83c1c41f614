"""What Pixels says."""

LOOK = (
    "**Look at where the surprise is**: a model that has learned digits knows most pixels from those before them, and is "
    "surprised where a stroke turns or ends."
)
RNN = """
**What is not here: PixelRNN.** It reads the pixels before one with a recurrent network instead of convolutions, so that each
pixel sees all of them. On statically binarised MNIST it was published with 79.20 nats an image (van den Oord et al. 2016,
arXiv:1601.06759; the number is quoted here from a secondary source). It is slower because each row waits for the one above it,
in training too, where convolutions compute all pixels of a known image at once.
"""
