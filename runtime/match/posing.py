"""Finding a template at any angle and size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..bundle.match_recipe import MatchRecipe
from ..errors import TemplateError
from ..images import Image
from ..patches.encoder import Encoder, FeatureMap
from .comparing import PixelComparer
from .judging import JudgedPose, Tried, judge
from .pose import PoseRange, outline_overlap
from .pose_search import PosedTemplate, first_look
from .posed_rows import encode_poses
from .registration import Glance, PoseRefiner, UprightLook
from .searching import ImageSearch
from .template import Template, TemplateLevel


class PoseFinder:
    """Finds templates at any angle and size.

    Args:
        encoder: encodes looks and templates.
        recipe: of the bundle.
        comparer: its network that compares pixels, if it has one.
    """

    def __init__(
        self, encoder: Encoder, recipe: MatchRecipe, comparer: PixelComparer | None
    ) -> None:
        self.encoder = encoder
        self.recipe = recipe
        self._comparer = comparer
        self._refiner = PoseRefiner(encoder, recipe)

    def found(
        self,
        search: ImageSearch,
        templates: Sequence[Template],
        count: int,
        wanted: PoseRange,
    ) -> list[list[JudgedPose]]:
        """The best places of each template at any of some angles and sizes, judged.

        Args:
            search: of the image.
            templates: to look for.
            count: places of each, at most; of each there is at least one.
            wanted: the poses in which to look.

        Raises:
            TemplateError: a template without a view, or larger than the image at every size.
            ImageError: the image is too large.
        """
        found: list[list[JudgedPose]] = []
        for template in templates:
            level, features = self._level(search, template, wanted)
            candidates = self.candidates(search.image, features, template, wanted, level, count + 1)
            found.append(self._judged(search.image, template, candidates, wanted))
        return found

    def posed(
        self, template: Template, wanted: PoseRange, level: TemplateLevel
    ) -> list[PosedTemplate]:
        """A template at all steps of a range, encoded now unless it was before.

        Args:
            template: keeps what was encoded.
            wanted: the range.
            level: the resolution of the image.
        """
        recipe = self.recipe
        steps = [
            (angle, scale, (angle, level.scale * scale))
            for scale in wanted.scale_steps(recipe.pose_sizes)
            for angle in wanted.angle_steps(recipe.pose_angle)
        ]
        missing = [key for _, _, key in steps if key not in template.poses]
        if missing:
            assert template.view is not None
            encoded = encode_poses(self.encoder, template.view, missing)
            template.poses.update(zip(missing, encoded, strict=True))
        return [PosedTemplate(angle, scale, template.poses[key]) for angle, scale, key in steps]

    def candidates(
        self,
        image: Image,
        features: FeatureMap,
        template: Template,
        wanted: PoseRange,
        level: TemplateLevel,
        count: int,
    ) -> list[UprightLook]:
        """The best places, best first.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            features: of the image, at the level's resolution.
            template: to look for.
            wanted: the poses in which to look.
            level: of the template.
            count: places at most.
        """
        recipe, size = self.recipe, template.size
        exact = template.levels[0]
        side = (size[0] * size[1]) ** 0.5
        first = first_look(
            self.posed(template, wanted, level),
            features,
            self.encoder.coarse_stride,
            side,
            max(recipe.pose_looks, count + recipe.pose_kept),
            recipe,
        )
        found = self._refiner.look(image, [Glance(exact, size, each.pose) for each in first])
        kept = recipe.pose_kept
        for _ in range(recipe.pose_rounds):
            found = self._distinct(found, size)[: max(count, kept)]
            found = self._refiner.look(image, [Glance(exact, size, look.better) for look in found])
            kept = max(1, kept // 2)
        return self._distinct(found, size)[:count]

    def _level(
        self, search: ImageSearch, template: Template, wanted: PoseRange
    ) -> tuple[TemplateLevel, FeatureMap]:
        """The resolution at which an image is searched, and its features there.

        Raises: as :meth:`found`.
        """
        if template.view is None:
            raise TemplateError(
                f"template {template.name!r} was saved by an earlier version, without the picture "
                "that turning and resizing it takes; encode it again"
            )
        level = search.level(template, wanted.scales[0])
        return level, search.features(level)

    def _judged(
        self,
        image: Image,
        template: Template,
        candidates: Sequence[UprightLook],
        wanted: PoseRange,
    ) -> list[JudgedPose]:
        """Each candidate, registered and judged; what lies outside the range is not the object."""
        recipe = self.recipe
        steps = len(wanted.scale_steps(recipe.pose_sizes)) * len(
            wanted.angle_steps(recipe.pose_angle)
        )
        judged: list[JudgedPose] = []
        for index, each in enumerate(candidates):
            others = (*candidates[:index], *candidates[index + 1 :])
            nearest = max((o.likelihood for o in others), default=-math.inf)
            margin = 1.0 - math.exp(-max(0.0, each.likelihood - nearest))
            verdict = judge(
                template, image, each.better, each, Tried(steps, margin), recipe, self._comparer
            )
            if not wanted.contains(verdict.pose, recipe.pose_beyond, recipe.size_beyond):
                verdict = replace(verdict, beyond=True)
            judged.append(verdict)
        return judged

    def _distinct(self, found: list[UprightLook], size: tuple[float, float]) -> list[UprightLook]:
        """Those that are no worse look at a better one, best first."""
        kept: list[UprightLook] = []
        for each in sorted(found, key=lambda look: look.promise(self.recipe), reverse=True):
            outline = each.better.corners(size)
            if all(
                outline_overlap(outline, other.better.corners(size)) <= self.recipe.overlap
                for other in kept
            ):
                kept.append(each)
        return kept
