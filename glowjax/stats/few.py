"""A warning if the intervals of terms that are not linear in the images rest on few independent images."""

import sys
import warnings
from typing import Any

from glowjax.stats.groups import group_codes
from glowjax.stats.tails import level_outside

ENOUGH = 64
"""The number of independent images or groups from which intervals of quadratic terms cover about 0.92."""


class FewImagesWarning(UserWarning):
    """Intervals of quadratic terms, spreads and remainders that rest on fewer than `ENOUGH` images or groups.

    Such terms are means of squares and of higher powers. Few independent values seldom show the far end of these, so
    their intervals miss the truth too often. The docstrings of the functions say how often they contain it: with 5
    groups sometimes in 0.71 of the cases, and from 64 groups in 0.91 or more, except for spreads of skewed images.

    Attributes:
        name: the name of the set, such as "in_dist".
        count: the number of its independent images or groups.
    """

    def __init__(self, name: str, count: int, what: str) -> None:
        super().__init__(name, count, what)
        self.name, self.count, self.what = name, count, what

    def __str__(self) -> str:
        return (
            f"The 95 % intervals rest on {self.count} independent {self.what} of {self.name}, and those of quadratic "
            f"terms and spreads are too narrow below {ENOUGH}: use more images, or read the errors as too small."
        )


def warn_of_few_images(**sets: tuple[int, Any]) -> None:
    """Gives a FewImagesWarning for the smallest set; `sets` are {name: (number of images, groups or None)}.

    A set `in_dist` has the groups `groups_in`, as error messages call them.
    """
    counts = {
        name: num if groups is None else int(group_codes(groups, num, f"groups_{name.removesuffix('_dist')}").max()) + 1
        for name, (num, groups) in sets.items()
    }
    name = min(counts, key=lambda one: counts[one])
    if counts[name] < ENOUGH:
        what = "images" if sets[name][1] is None else "groups"
        warnings.warn(FewImagesWarning(name, counts[name], what), stacklevel=level_outside(sys._getframe()))
