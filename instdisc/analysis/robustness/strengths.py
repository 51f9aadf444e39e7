"""How strong each corruption is at severities 1 to 5.

Lengths are in pixels of a view of 224 px and shrink with the view.
"""

from __future__ import annotations

SEVERITIES = (1, 2, 3, 4, 5)
SIDE = 224  # pixels that the lengths are stated for

# Order and names are those of the folders of ImageNet-C, whose generating code the numbers are of.
STRENGTHS: dict[str, tuple[tuple[float, ...], ...]] = {
    # standard deviation
    "gaussian_noise": ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
    # photons of white
    "shot_noise": ((60,), (25,), (12,), (5,), (3,)),
    # share of the values that become black or white
    "impulse_noise": ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
    # radius
    "defocus_blur": ((3,), (4,), (6,), (8,), (10,)),
    # sigma before and after, largest displacement, rounds
    "glass_blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    # radius, half of the length, and sigma along it
    "motion_blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    # zooms beside the image itself, and the step between them
    "zoom_blur": ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)),
    # mean, deviation, zoom and threshold of the flakes; radius and sigma of their motion; share of
    # the image that keeps its colours
    "snow": (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
    # density, and decay of the clouds from scale to scale
    "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    # what is added to the value in HSV
    "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
    # share of the contrast that is left
    "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
    # displacement before smoothing, sigma of the smoothing, displacement of the corners
    "elastic_transform": (
        (488, 170.8, 24.4),
        (488, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ),
    # share of the side that is left
    "pixelate": ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
    # quality
    "jpeg_compression": ((25,), (18,), (15,), (10,), (7,)),
}
