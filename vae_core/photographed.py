"""A photograph of a digit on paper -> the bare stroke, white on black, as a scanner would give it to `picture.like_mnist`.

Under a lamp paper is no constant: it has a shadow, dark corners, a colour, lines. It is told from ink by size: a grey closing
(Serra 1982; by OpenCV) by a disc that no stroke can hold gives the paper below the stroke, and ink is the share of light
that it takes away, the same in the shadow and beside it. Lines of ruled and squared paper are what is straight, thin and goes
through (Duda & Hart 1972); specks are what is small beside the drawing. Strokes far from MNIST's are thinned or thickened.
"""

import cv2
import numpy as np
from skimage.morphology import disk, skeletonize

from vae_core.errors import BadInput
from vae_core.picture import BLANK, FAINT, MNIST_BOX

LEAST = 64  # pixels a side; what is smaller is no photograph
SIDE = 512  # of the longer side that is worked on
CALM = 0.02  # of the longer side: grain of paper and sensor is smaller
DARK = 4  # grey levels: sensors know no darker
WINDOW = 0.25  # of the shorter side: the disc that no stroke can hold, and every shadow can
SHADOW = 0.4  # the same for drawings that fill their picture, whose strokes meet in blots
EVEN = 2  # grey levels: the paper of a screen differs by no more, in at least half of the picture
NOISE = 6  # standard deviations of the paper above which something is ink
THIN = 0.02  # of the longer side: a line of the paper is thinner
LONG = 0.6  # of its way through the picture: so much of a line of the paper is seen
SHORT = 0.3  # of the picture's width or height: a line that crosses a corner is looked for no more
LEAN = 12  # degrees: no line of the paper is more askew
INK = 0.3  # of the strongest: what is seen as a part of the drawing; its edges are fainter
PALE = 0.7  # of the strongest: what is nowhere darker is no ink
SPECK = 0.05  # of the drawing's largest part: what has less ink is none of it
STROKES = (1.3, 4.2)  # widths of MNIST's strokes, from 1 to 99 % of its images, in pixels of its box of 20
SMALL = 0.06  # of the picture's shorter side: a smaller part is no drawing
BLOB = 8  # a wider one is no stroke


def drawing(picture: np.ndarray) -> np.ndarray:
    """uint8 RGB (H, W, 3) -> uint8 RGB: the stroke, white on black, with nothing around it; or, where the picture is a clean
    drawing already, the picture itself. Raises BadInput where nothing is drawn."""
    if min(picture.shape[:2]) < LEAST:
        return picture
    small = _shrunk(picture)
    plane, is_dark = _best_plane(small)
    is_clean = _is_clean(small, plane, is_dark)
    found = _ink_on_even(small) if is_clean else _ink_on(_paper(plane, is_dark, WINDOW), plane, is_dark)
    lined = _without_lines(found)
    ink = _without_specks(lined)
    if is_clean and lined is found and _are_near(found > INK, ink > INK):
        return picture
    ink = _as_thick_as_mnist(ink)
    return np.repeat((_cut(ink) * 255).round().astype(np.uint8)[..., None], 3, 2)


def _shrunk(picture: np.ndarray) -> np.ndarray:
    scale = SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _edge(picture: np.ndarray) -> np.ndarray:
    """The outermost pixels of (H, W, ...): (N, ...)."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _is_clean(picture: np.ndarray, plane: np.ndarray, is_dark: bool) -> bool:
    """Whether it was drawn on a screen or scanned: its paper is of one colour and lit evenly."""
    is_calm = (np.abs(picture - np.median(_edge(picture), 0)).max(2) <= EVEN).mean() >= 0.5
    return bool(is_calm and np.ptp(_paper(plane, is_dark, SHADOW)) <= 2 * EVEN)


def _ink_on_even(picture: np.ndarray) -> np.ndarray:
    """How far each pixel is from the paper's colour, 0 to 1 the farthest: (H, W)."""
    away = np.abs(picture - np.median(_edge(picture), 0)).max(2).astype(np.float32)
    if away.max() < FAINT * 255:
        raise BadInput(BLANK)
    return away / away.max()


def _paper(plane: np.ndarray, is_dark: bool, window: float) -> np.ndarray:
    """What the picture would be without the ink, which is darker than paper or not: uint8 (H, W) -> float32."""
    reach = int(window * min(plane.shape)) // 2
    calm = cv2.medianBlur(plane, int(CALM * max(plane.shape)) | 1)  # else every speck of light becomes paper
    calm = np.pad(calm.astype(np.float32), reach, "reflect", reflect_type="odd")  # the light goes on beyond the edge
    there, back = (cv2.dilate, cv2.erode) if is_dark else (cv2.erode, cv2.dilate)
    for change in (there, back):
        for part, times in disk(reach, decomposition="sequence"):
            calm = change(calm, part, iterations=times)
    return calm[reach:-reach, reach:-reach]


def _ink_on(paper: np.ndarray, plane: np.ndarray, is_dark: bool) -> np.ndarray:
    """The share of the paper's light that each pixel lacks (or, of chalk on a board, has more), 0 to 1 the strongest ink."""
    taken = cv2.GaussianBlur(np.maximum(plane, DARK).astype(np.float32), (0, 0), 0.8) / np.maximum(paper, DARK)
    taken = 1 - taken if is_dark else taken - 1
    taken -= np.median(taken)
    noise = 1.4826 * np.median(np.abs(taken))
    most = np.percentile(taken, 99.9)
    if most < max(FAINT, NOISE * noise):
        raise BadInput(BLANK)
    strongest = np.percentile(taken[taken > most / 2], 75)
    below = max(0.0, 3 * noise / strongest - FAINT)  # what is faint is left to `like_mnist`, unless paper is as rough
    return np.clip((taken / strongest - below) / (1 - below), 0, 1)


def _best_plane(picture: np.ndarray) -> tuple[np.ndarray, bool]:
    """The one of red, green, blue and luminance in which ink stands out most, uint8 (H, W), and whether ink is darker than
    paper: it is what is rare."""
    planes = [*np.moveaxis(picture, 2, 0), cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)]
    best, found = -1.0, None
    for plane in planes:
        small = cv2.resize(plane, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        around = cv2.medianBlur(small, (min(small.shape) // 2) | 1)
        top, left = (length // 8 for length in small.shape)  # at the edge may be the table
        change = np.log(np.maximum(small, DARK) / np.maximum(around, DARK))[top : -top or None, left : -left or None]
        contrast = np.percentile(np.abs(change), 99) / (np.median(np.abs(change)) + 0.02)
        if contrast > best:
            best, found = contrast, (np.ascontiguousarray(plane), float((change**3).sum()) <= 0)
    return found


def _without_lines(ink: np.ndarray) -> np.ndarray:
    """The ink without the lines of ruled and squared paper; the same array where there are none."""
    for turned in (False, True):
        plane = np.ascontiguousarray(ink.T) if turned else ink
        ruled = _without_lines_across(plane)
        if ruled is not plane:
            ink = np.ascontiguousarray(ruled.T) if turned else ruled
    return ink


def _without_lines_across(ink: np.ndarray) -> np.ndarray:
    height, width = ink.shape
    thin = max(3, int(THIN * max(ink.shape)) | 1)
    upright = np.ones((thin, 1), np.uint8)
    opened = cv2.morphologyEx(ink, cv2.MORPH_OPEN, upright)
    lines = (ink - opened) > FAINT / 2
    lean = np.radians(LEAN)
    found = cv2.HoughLinesWithAccumulator(
        lines.astype(np.uint8), 1, np.radians(0.25), int(SHORT * width), min_theta=np.pi / 2 - lean, max_theta=np.pi / 2 + lean
    )
    if found is None:
        return ink
    rho, theta, votes = found.reshape(-1, 3).T
    heights = ((rho - x * np.cos(theta)) / np.sin(theta) for x in (0, width - 1))
    ends = [((0, round(left)), (width - 1, round(right))) for left, right in zip(*heights, strict=True)]
    seen = np.array([np.ptp([end[0] for end in cv2.clipLine((0, 0, width, height), *line)[1:]]) for line in ends])
    whole = (votes >= LONG * seen) & (seen > LONG * width)
    if not whole.any():
        return ink
    rulings = (votes >= LONG * seen) & (np.abs(theta - np.median(theta[whole])) < np.radians(LEAN / 4))
    mask = np.zeros(ink.shape, np.uint8)
    for line in np.flatnonzero(whole | rulings):
        cv2.line(mask, *ends[line], 1, 3)
    on_line = lines & mask.astype(bool)
    level = np.percentile(ink[on_line], 90)
    crossing = ink > 1.3 * level + FAINT  # a stroke
    near = cv2.dilate(mask, np.ones((5, 1), np.uint8)).astype(bool)
    return np.where(near & ~crossing, opened, ink)


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The largest connected part, and what is not small beside it. What hangs on the picture's edge is no part of a drawing
    that does not. Raises BadInput where there is no part that one could see."""
    count, parts = cv2.connectedComponents((cv2.dilate(ink, np.ones((3, 3), np.uint8)) > INK).astype(np.uint8))
    weights = np.bincount(parts.ravel(), ink.ravel(), count)
    pale = np.bincount(parts.ravel(), ink.ravel() > PALE, count) < 0.1 * np.bincount(parts.ravel(), minlength=count)
    weights[pale] = 0  # what is left of a shadow's edge, and the paper
    inner = weights.copy()
    inner[np.unique(_edge(parts))] = 0
    for seen in (inner, weights):
        rows, columns = np.nonzero(parts == seen.argmax())
        if seen.max() > 0 and max(np.ptp(rows), np.ptp(columns)) >= SMALL * min(ink.shape):
            kept = np.isin(parts, np.flatnonzero(seen >= SPECK * seen.max())).astype(np.uint8)
            return ink * cv2.dilate(kept, np.ones((5, 5), np.uint8))
    raise BadInput(BLANK)


def _are_near(drawn: np.ndarray, kept: np.ndarray) -> bool:
    """Whether all that is drawn, bool (H, W), lies in the box around what is kept, or a tenth of its length beside it."""
    for axis in (0, 1):
        ends, box = (np.flatnonzero(part.any(axis))[[0, -1]] for part in (drawn, kept))
        if (np.abs(ends - box) > np.ptp(box) / 10 + 1).any():
            return False
    return True


def _as_thick_as_mnist(ink: np.ndarray) -> np.ndarray:
    """With its stroke within STROKES, where it is a stroke."""
    shape = ink > 0.5
    height, width = (np.ptp(np.flatnonzero(shape.any(axis))) + 1 for axis in (1, 0))
    pixel = max(height, width) / MNIST_BOX
    to_paper = cv2.distanceTransform(shape.astype(np.uint8), cv2.DIST_L2, 5)
    thick = 2 * float(np.median(to_paper[skeletonize(shape)])) / pixel
    radius = round((float(np.clip(thick, *STROKES)) - thick) / 2 * pixel)
    if radius == 0 or thick > BLOB:
        return ink
    change = cv2.dilate if radius > 0 else cv2.erode
    changed = change(ink, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1,) * 2))
    return changed if changed.max() > INK else ink


def _cut(ink: np.ndarray) -> np.ndarray:
    """To what is drawn, with a black edge."""
    rows, columns = np.flatnonzero(ink.max(1) > FAINT), np.flatnonzero(ink.max(0) > FAINT)
    return np.pad(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 2)
