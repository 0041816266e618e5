"""Finding a template as it is: upright, and in about its own size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..boxes import Box, move_inside
from ..bundle.match_recipe import MatchRecipe
from ..images import Image, is_flat
from ..kinds import Bound
from ..patches.encoder import Encoder
from .comparing import PixelComparer
from .judging import JudgedPose, Tried, judge
from .placing import Placer
from .pose import Pose
from .registration import PoseRefiner, UprightLook
from .searching import ImageSearch
from .sizing import PlacedBox, SizeEstimator
from .template import Template

SPARE: Bound[int] = 2
"""Windows that are placed for each place that is wanted where several are: copies take quality from
each other, so that coarse windows of small ones come behind some that show nothing."""


@dataclass(frozen=True)
class UprightCandidate:
    """A placed box, and what was seen of it at first.

    Attributes:
        template: index among those that are looked for.
        placed: the box.
        look: at it, in the template's size.
        margin: how far the best other place is behind, in [0, 1].
        prior: log-odds of how exclusive its window is.
    """

    template: int
    placed: PlacedBox
    look: UprightLook
    margin: float
    prior: float


class UprightFinder:
    """Finds templates as they are.

    Args:
        encoder: encodes looks.
        recipe: of the bundle.
        comparer: its network that compares pixels, if it has one.
    """

    def __init__(
        self, encoder: Encoder, recipe: MatchRecipe, comparer: PixelComparer | None
    ) -> None:
        self.encoder = encoder
        self.recipe = recipe
        self._comparer = comparer
        self._placer = Placer(encoder, recipe)
        self._sizes = SizeEstimator(PoseRefiner(encoder, recipe), recipe)

    def search(self, picture: Image) -> ImageSearch:
        """A search of one image ``(H, W, 3)`` uint8 BGR."""
        return ImageSearch(self.encoder, self._placer, self.recipe, picture)

    def found(
        self, search: ImageSearch, templates: Sequence[Template], count: int
    ) -> list[list[JudgedPose]]:
        """The best places of each template: placed, sized, registered and judged.

        Args:
            search: of the image.
            templates: to look for.
            count: places of each, at most; of each there is at least one.

        Raises: as :func:`~.searching.search_level`.
        """
        candidates = self._candidates(search, templates, count)
        placed = [each.placed for each in candidates]
        sized = self._sizes.estimate(search, placed, [each.look for each in candidates])
        judged: list[list[JudgedPose]] = [[] for _ in templates]
        for each, known in zip(candidates, sized, strict=True):
            template = each.placed.template
            tried = Tried(1, each.margin, is_flat(search.image, each.placed.box))
            # Pixels register a slender object only from about the turn that its patches tell.
            pose = replace(known.pose, angle=known.look.better.angle)
            verdict = judge(
                template, search.image, pose, known.look, tried, self.recipe, self._comparer
            )
            beyond = not self._as_it_is(verdict, template, search.image)
            verdict = replace(verdict, prior=each.prior, beyond=beyond)
            judged[each.template].append(self._upright(verdict, template, search.image))
        return judged

    def _candidates(
        self, search: ImageSearch, templates: Sequence[Template], count: int
    ) -> list[UprightCandidate]:
        """Those that are worth a second look."""
        height, width = search.image.shape[:2]
        indices: list[int] = []
        margins: list[float] = []
        priors: list[float] = []
        placed: list[PlacedBox] = []
        looked_at = count if count == 1 else SPARE * count
        for index, found in enumerate(search.candidates_of_each(templates, looked_at)):
            template = templates[index]
            level = search.level(template)
            exact = search.features(level) if level is template.levels[0] else None
            for candidate in found:
                box = Box(candidate.place.x, candidate.place.y, *template.size)
                box = move_inside(box, width, height) if template.inside else box
                placed.append(PlacedBox(template, box, candidate.place, exact))
                indices.append(index)
                margins.append(candidate.margin)
                priors.append(self.recipe.response_weight * candidate.promise(self.recipe))
        looks = self._sizes.first(search, placed)
        every = [
            UprightCandidate(*parts)
            for parts in zip(indices, placed, looks, margins, priors, strict=True)
        ]
        return [
            each
            for index in range(len(templates))
            for each in self._worth([one for one in every if one.template == index], count)
        ]

    def _worth(self, candidates: list[UprightCandidate], count: int) -> list[UprightCandidate]:
        """The most promising of one template, and those that come close to the best."""
        recipe, first = self.recipe, candidates[0]
        candidates.sort(key=lambda each: -each.look.promise(recipe))
        least = candidates[0].look.promise(recipe) - recipe.close_promise
        return [
            each
            for rank, each in enumerate(candidates)
            if rank < count or each is first or each.look.promise(recipe) >= least
        ]

    def _as_it_is(self, judged: JudgedPose, template: Template, picture: Image) -> bool:
        """Whether an object lies so that nobody has to ask for poses to have it found."""
        pose, recipe = judged.pose, self.recipe
        zoom = abs(math.log(pose.scale))
        if zoom > math.log(recipe.most_zoom) or abs(pose.angle) > recipe.most_turn:
            return False
        squares = None if judged.rigid or judged.odds < 0 else template.turned_squares
        return squares is None or not squares.fits_turned(picture, pose, template.size)

    def _upright(self, judged: JudgedPose, template: Template, picture: Image) -> JudgedPose:
        """Nobody asked for a turn: a slight one says where the middle is, no more."""
        height, width = picture.shape[:2]
        pose = judged.pose
        size = pose.scale if self.recipe.size_rounds else 1.0
        scale = min(size, width / template.size[0], height / template.size[1])
        middle = (pose.x, pose.y)
        if template.inside:
            sides = (side * scale for side in template.size)
            middle = move_inside(Box.around(middle, *sides), width, height).centre
        return replace(judged, pose=Pose(*middle, 0.0, scale))
