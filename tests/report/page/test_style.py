"""Colours that can be read: WCAG's contrast AA, in light, dark and print."""

import re
from importlib import resources

import pytest

STYLE = resources.files("instdisc.report.page").joinpath("style.css").read_text(encoding="utf-8")
# In the order of the file: light, dark, print.
PALETTES = [
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
]
SHADES = [f"{kind}{step}" for kind in ("gain", "loss") for step in (1, 2, 3, 4)]
PAIRS = [
    *(("ink", back) for back in ("page", "faint", "warn-back", *SHADES)),
    *(("soft", back) for back in ("page", "faint")),
    ("accent", "page"),
]


def luminance(colour):
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", PALETTES, ids=["light", "dark", "print"])
def test_words_stand_out(palette):
    for ink, back in PAIRS:
        assert contrast(palette[ink], palette[back]) >= 4.5, (ink, back)
    # Steps of shade differ, and each is another colour than the page.
    for kind in ("gain", "loss"):
        steps = [
            luminance(palette[name]) for name in ("page", *(f"{kind}{n}" for n in range(1, 5)))
        ]
        assert len(set(steps)) == 5
        assert steps in (sorted(steps), sorted(steps, reverse=True))
