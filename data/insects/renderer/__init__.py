"""A small renderer of ant and bee photographs, in numpy and Pillow alone.

>>> from data.insects.renderer import render
>>> photo = render("ants", seed=20, domain="field")
>>> photo.shape, photo.dtype
((256, 256, 3), dtype('uint8'))

Read it in the order light takes it: :mod:`.geometry`, :mod:`.noise`, :mod:`.materials`, the
z-buffer in :mod:`.raster`, the insects in :mod:`.anatomy`, :mod:`.wings` and :mod:`.fur`, their
world in :mod:`.grounds`, :mod:`.props` and :mod:`.scenes`, :mod:`.lighting`, :mod:`.camera`, and
all together in :mod:`.photograph`. :mod:`.dataset` writes folders of photographs.
"""

from .photograph import Negative, Visibility, develop_photo, expose, render

__all__ = ["Negative", "Visibility", "develop_photo", "expose", "render"]
