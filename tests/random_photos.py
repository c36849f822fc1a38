"""Photos made up of random pixels, for the tests."""

from pathlib import Path

import numpy as np
from PIL import Image


def save_photo(path: Path, seed: int, size: tuple[int, int] = (40, 32)) -> None:
    """Save random pixels; ants are dark and bees are bright, so that something can be learned."""
    pixels = np.random.default_rng(seed).integers(0, 128, (size[1], size[0], 3))
    bright = 127 if "bees" in path.parts else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels + bright).astype("uint8")).save(path)
