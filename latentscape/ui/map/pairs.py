"""Pairs of pictures with a line of words, as many as a page holds."""

import base64
import html
import io

import numpy as np
from PIL import Image

STYLE = """
<style>
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .9rem .7rem; }
.pairs figure { margin: 0; }
.pairs img { width: calc(50% - 2px); aspect-ratio: 1; image-rendering: pixelated; border-radius: 4px; }
.pairs img + img { margin-left: 4px; }
.pairs a { display: block; border-radius: 4px; }
.pairs a:hover { outline: 2px solid var(--st-primary-color, currentColor); outline-offset: 2px; }
.pairs figcaption { font-size: .78rem; line-height: 1.35; opacity: .85; font-variant-numeric: tabular-nums; }
</style>
"""


def pairs(
    left: np.ndarray, right: np.ndarray, words: list[tuple[str, str]], names: tuple[str, str], links: list[str]
) -> str:
    """HTML of uint8 images (N, C, H, W) side by side, with two lines each and where a click leads; `names` say to a screen
    reader what is where."""
    cards = []
    for one, other, (title, line), link in zip(left, right, words, links, strict=True):
        title = html.escape(title)
        pictures = "".join(
            f'<img src="{_address(image)}" alt="{name} of {title}">' for image, name in zip((one, other), names, strict=True)
        )
        opens = f'<a href="{html.escape(link)}" title="Open in Explore">{pictures}</a>'
        cards.append(f"<figure>{opens}<figcaption><b>{title}</b><br>{html.escape(line)}</figcaption></figure>")
    return f'{STYLE}<div class="pairs">{"".join(cards)}</div>'


def _address(image: np.ndarray) -> str:
    picture = image.transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(picture if len(image) == 3 else picture[..., 0]).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
