"""The size that a found object has in an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..boxes import Box
from ..bundle.match_recipe import MatchRecipe
from ..patches.encoder import FeatureMap
from .placing import Place
from .pose import Pose
from .registration import Glance, PoseRefiner, UprightLook
from .searching import ImageSearch
from .template import Template, TemplateLevel


@dataclass(frozen=True)
class PlacedBox:
    """A box of the template's size, placed in an image.

    Attributes:
        template: what was placed.
        box: in pixels of the image.
        place: of its corner.
        features: of the image at the template's own resolution, or ``None`` where the image was
            searched at a lower one.
    """

    template: Template
    box: Box
    place: Place
    features: FeatureMap | None

    @property
    def level(self) -> TemplateLevel:
        """The template at its own resolution."""
        return self.template.levels[0]


@dataclass(frozen=True)
class SizedBox:
    """What is known of a placed box once its size is.

    Attributes:
        pose: upright.
        look: at which most patches were where they should be.
    """

    pose: Pose
    look: UprightLook


class SizeEstimator:
    """Estimates sizes by where the patches of what was found lie.

    Args:
        refiner: looks.
        recipe: of the bundle.
    """

    def __init__(self, refiner: PoseRefiner, recipe: MatchRecipe) -> None:
        self.refiner = refiner
        self.recipe = recipe

    def first(self, search: ImageSearch, placed: Sequence[PlacedBox]) -> list[UprightLook]:
        """What is seen of objects in the template's size: known already, where they were placed.

        Args:
            search: of the image.
            placed: what was found in it.
        """
        apart = [
            Glance(each.level, each.template.size, Pose(*each.box.centre))
            for each in placed
            if each.features is None
        ]
        looked = iter(self.refiner.look(search.image, apart))
        return [
            next(looked)
            if each.features is None
            else self.refiner.seen(each.features, each.level, each.template.size, each.place)
            for each in placed
        ]

    def estimate(
        self,
        search: ImageSearch,
        placed: Sequence[PlacedBox],
        first: Sequence[UprightLook],
    ) -> list[SizedBox]:
        """Estimate sizes, and places once more.

        Where the patches lie says how much larger or smaller the object is than its template; it
        is then looked at in that size, and again as long as that shows it better and in yet
        another size. What is seen in the sizes is averaged (sizes geometrically), each weighted
        with its likelihood: the mean of the posterior if all patches together count as one
        observation, for neighbours are far from independent. A masked template keeps its size:
        most of its patches see what the mask hides. So does everything where an engine takes no
        image so small.

        Args:
            search: of the image.
            placed: what was found in it.
            first: what :meth:`first` saw of it.

        Returns:
            Upright poses in their order, with the best look at each.
        """
        recipe = self.recipe
        looks = [[look] for look in first]
        going = [index for index, each in enumerate(placed) if self._sizable(each)]
        most = max(recipe.size_rounds, recipe.size_most_rounds) if recipe.size_rounds else 0
        for done in range(most):
            if done >= recipe.size_rounds:
                going = [index for index in going if self._moves(*looks[index][-2:])]
            if not going:
                break
            glances = [
                Glance(
                    placed[index].level,
                    placed[index].template.size,
                    _upright(looks[index][-1].better),
                )
                for index in going
            ]
            seen = self.refiner.look(search.image, glances)
            for index, look in zip(going, seen, strict=True):
                looks[index].append(look)
        best = [max(seen, key=lambda look: look.likelihood) for seen in looks]
        return [SizedBox(self._mean(seen), look) for seen, look in zip(looks, best, strict=True)]

    def _sizable(self, placed: PlacedBox) -> bool:
        """Whether a size can be estimated."""
        whole = bool(placed.level.fine.footprint.all())
        return whole and self.refiner.admits(placed.level, placed.template.size)

    def _moves(self, before: UprightLook, last: UprightLook) -> bool:
        """Whether the last look was better, and still saw another size."""
        zoom = abs(math.log(last.better.scale / last.placed.scale))
        return zoom > math.log(self.recipe.size_moves) and last.likelihood > before.likelihood

    @staticmethod
    def _mean(looks: Sequence[UprightLook]) -> Pose:
        """The mean of the posterior."""
        likelihoods = np.array([look.likelihood for look in looks])
        weights = np.exp(likelihoods - likelihoods.max())
        shares = weights / weights.sum()
        sights = np.array(
            [(look.placed.x, look.placed.y, np.log(look.placed.scale)) for look in looks]
        )
        x, y, log_scale = (float(value) for value in shares @ sights)
        return Pose(x, y, 0.0, float(np.exp(log_scale)))


def _upright(pose: Pose) -> Pose:
    """A pose without its turn."""
    return Pose(pose.x, pose.y, 0.0, pose.scale)
