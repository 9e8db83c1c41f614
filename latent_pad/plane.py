"""Planes and distributions that the pad draws: plain numbers, checked once."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 4096  # dimensions of a latent space


def numbers(name: str, values: Sequence[float], count: int | None = None) -> tuple[float, ...]:
    """`values` as plain floats; raises ValueError unless all are finite and there are `count` of them."""
    plain = tuple(float(value) for value in values)
    if not all(math.isfinite(value) for value in plain):
        raise ValueError(f"The {name} must be finite numbers.")
    if count is not None and len(plain) != count:
        raise ValueError(f"The {name} must have {count} numbers, not {len(plain)}.")
    return plain


@dataclass(frozen=True)
class Plane:
    """z = origin + x*u + y*v in an L-dimensional latent space, L from 1 to MOST.

    Distances on the screen are true where u and v are orthonormal; `Plane.through` makes them so. v None: a line.
    """

    origin: Sequence[float]  # (L,)
    u: Sequence[float]  # (L,)
    v: Sequence[float] | None = None  # (L,)
    labels: tuple[str, str] = ("z1", "z2")  # of the axes, a few characters each

    def __post_init__(self):
        origin = numbers("plane's origin", self.origin)
        if not 1 <= len(origin) <= MOST:
            raise ValueError(f"A plane lies in 1 to {MOST:,} dimensions, not {len(origin)}.")
        u = numbers("plane's u", self.u, len(origin))
        v = None if self.v is None else numbers("plane's v", self.v, len(origin))
        if v is None:
            if not any(u):
                raise ValueError("The plane's u must not be zero.")
        else:
            uu, vv, uv = dot(u, u), dot(v, v), dot(u, v)
            if uu * vv - uv * uv <= 1e-9 * uu * vv:
                raise ValueError("The plane's u and v must not be parallel or zero.")
        for name, value in (("origin", origin), ("u", u), ("v", v)):
            object.__setattr__(self, name, value)

    @classmethod
    def axes(cls, latent_dim: int, first: int = 0, second: int = 1, origin: Sequence[float] | None = None) -> "Plane":
        """The plane of two latent dimensions, counted from 0, through `origin` (default: zero). latent_dim 1: the line."""
        units = [[float(row == column) for column in range(latent_dim)] for row in range(latent_dim)]
        start = [0.0] * latent_dim if origin is None else origin
        if latent_dim == 1:
            return cls(start, units[0], None, ("z1", ""))
        return cls(start, units[first], units[second], (f"z{first + 1}", f"z{second + 1}"))

    @classmethod
    def through(cls, a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> "Plane":
        """The plane through three points (L,), centred between them, with orthonormal axes: x runs from a to b."""
        origin = [sum(values) / 3 for values in zip(a, b, c, strict=True)]
        u = _unit([q - p for p, q in zip(a, b, strict=True)])
        across = [r - p for p, r in zip(a, c, strict=True)]
        along = dot(across, u)
        return cls(origin, u, _unit([p - along * q for p, q in zip(across, u, strict=True)]), ("x", "y"))

    @property
    def latent_dim(self) -> int:
        """L."""
        return len(self.origin)

    @property
    def identity(self) -> str:
        """Twelve letters that differ where planes differ."""
        return hashlib.sha256(json.dumps([self.origin, self.u, self.v]).encode()).hexdigest()[:12]

    def point(self, x: float, y: float = 0.0) -> tuple[float, ...]:
        """z (L,) of the plane's coordinates."""
        v = self.v or (0.0,) * self.latent_dim
        return tuple(o + x * a + y * b for o, a, b in zip(self.origin, self.u, v, strict=True))

    def coordinates(self, z: Sequence[float]) -> tuple[float, float]:
        """Coordinates (x, y) of the plane's point nearest to z (L,): least squares."""
        offset = [p - o for p, o in zip(numbers("point", z, self.latent_dim), self.origin, strict=True)]
        uu, pu = dot(self.u, self.u), dot(offset, self.u)
        if self.v is None:
            return pu / uu, 0.0
        vv, uv, pv = dot(self.v, self.v), dot(self.u, self.v), dot(offset, self.v)
        scale = 1 / (uu * vv - uv * uv)
        return (vv * pu - uv * pv) * scale, (uu * pv - uv * pu) * scale


@dataclass(frozen=True)
class Posterior:
    """q(z|x) = N(mu, diag sigma^2), each (L,): drawn as the 1- and 2-sigma ellipses of its projection on the plane, with ten
    draws mu + sigma * epsilon, epsilon ~ N(0, I) (Kingma & Welling 2014, arXiv:1312.6114)."""

    mu: Sequence[float]
    sigma: Sequence[float]

    def __post_init__(self):
        mu = numbers("posterior's mu", self.mu)
        sigma = numbers("posterior's sigma", self.sigma, len(mu))
        if min(sigma) < 0:
            raise ValueError("The posterior's sigma must not be negative.")
        object.__setattr__(self, "mu", mu)
        object.__setattr__(self, "sigma", sigma)


@dataclass(frozen=True, init=False)
class Encoded:
    """An image, uint8 (C, H, W), and its code (L,): with a posterior its mean."""

    pixels: bytes  # channels outermost
    shape: tuple[int, int, int]
    code: tuple[float, ...]

    def __init__(self, image: Any, code: Sequence[float]):
        """image: an array or a tensor."""
        if len(image.shape) != 3 or not str(image.dtype).endswith("uint8"):
            raise ValueError(f"The encoded image must be uint8 (C, H, W), not {image.dtype} {tuple(image.shape)}.")
        object.__setattr__(self, "pixels", np.ascontiguousarray(image).tobytes())
        object.__setattr__(self, "shape", tuple(image.shape))
        object.__setattr__(self, "code", numbers("image's code", code))


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    """The inner product of two vectors of one length."""
    return sum(p * q for p, q in zip(a, b, strict=True))


def _unit(vector: list[float]) -> list[float]:
    length = math.sqrt(dot(vector, vector))
    if length < 1e-9:
        raise ValueError("Three points on one line do not make a plane.")
    return [value / length for value in vector]
