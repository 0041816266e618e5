"""``Matcher``: find a template in images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backends.graph import Device, Precision
from ..boxes import Box, box_iou, move_inside
from ..errors import ImageError, InputError, TemplateError
from ..images import Image, as_bgr, is_flat
from ..patches.encoder import Encoder, FeatureMap
from ..patches.quality import TINY, QualityMap, quality_map
from ..patches.windows import Peak, find_peaks, window_mean, window_response
from ..session import Session, SessionTask, Source
from .matches import Match, MatchEvidence
from .placing import Place, Placer
from .template import Template, TemplateEncoder, TemplateLevel

Array = NDArray[Any]


class Matcher(SessionTask):
    """Finds templates in images.

    Images are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted); boxes are ``(x, y, w, h)`` in
    pixels. Several threads may call :meth:`match` and :meth:`encode_template` of one matcher at
    once; :meth:`set_template` changes it and is not for concurrent use.

    Args:
        bundle: folder written by ``qatm-export``, a bundle that was loaded, or a session to share;
            ``None`` is the bundle inside the package.
        device: ``auto`` (the best that works; :attr:`info` says which), ``cpu``, ``cuda``,
            ``tensorrt`` or ``tensorrt-rtx``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads; ``None`` lets the runtime choose.

    Raises:
        BundleError: the bundle is missing, damaged, or lacks the precision.
        DeviceError: what was asked for is not available here.
        InputError: ``device``, ``precision`` or ``threads`` beside a session.
    """

    TASK = "match"

    def __init__(
        self,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__(bundle, device, precision, threads)
        recipe = self.bundle.spec.recipes.match
        self._recipe = recipe
        self._encoder = Encoder(self.session)
        self._placer = Placer(self._encoder, recipe)
        self._model = self.bundle.file_hash("features", "fp32")
        self._templates = TemplateEncoder(self._encoder, recipe, self._model)
        self._template: Template | None = None

    @property
    def template(self) -> Template | None:
        """The template that :meth:`match` looks for when none is passed."""
        return self._template

    def encode_template(
        self, image: Any, box: Any = None, mask: Any = None, name: str = ""
    ) -> Template:
        """Encode a template.

        Args:
            image: the frame that shows the object, or a crop of it when ``box`` is ``None``. A
                frame is better: its patches then see what surrounds them.
            box: ``(x, y, w, h)``; may be sub-pixel and may stick out of the frame.
            mask: ``(H, W)`` bool of the image's size or of the box's, true on the object.
            name: free text kept with the template.

        Raises:
            ImageError: not a usable image.
            BoxError: malformed, or outside the frame.
            TemplateError: a mask that does not fit, or that leaves nothing.
        """
        self._check_open()
        return self._templates.encode(as_bgr(image), box, mask, name)

    def set_template(self, image: Any, box: Any = None, mask: Any = None) -> Template:
        """Encode a template (see :meth:`encode_template`) and look for it from now on."""
        self._template = self.encode_template(image, box, mask)
        return self._template

    def match(
        self,
        image: Any,
        top_k: int = 1,
        min_score: float | None = None,
        templates: Sequence[Template] | None = None,
    ) -> list[Match]:
        """Find the template, or several at the price of one encoding of the image.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            top_k: at most this many matches of each template.
            min_score: score from which a match is found; ``None`` is the bundle's threshold.
            templates: look for these; ``None`` is the one that was set.

        Returns:
            Matches, best first. The best candidate of each template is always listed, with
            ``found=False`` where its score is too low; further ones only if they are found.

        Raises:
            ImageError: not a usable image.
            TemplateError: no template, one of another model, or one larger than the image.
        """
        self._check_open()
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be at least 1")
        if min_score is not None and not 0 <= min_score <= 1:
            raise InputError(f"min_score is {min_score}; scores lie between 0 and 1")
        picture, recipe = as_bgr(image), self._recipe
        matches: list[Match] = []
        searched = self._encoded(picture, self._checked(templates))
        for index, (template, level, features) in enumerate(searched):
            kept: list[Match] = []
            for peak, place in self._places(level, features, top_k):
                match = self._match(template, features, peak, place, min_score, index)
                if match.found and recipe.refine and recipe.size_step:
                    match = self._resized(template, level, picture, place, match)
                # Refining may have moved two windows together.
                apart = all(box_iou(match.box, other.box) <= recipe.overlap for other in kept)
                if not kept or (match.found and apart):
                    kept.append(match)
            matches += kept
        return sorted(matches, key=lambda match: -match.score)

    def evidence(
        self, image: Any, templates: Sequence[Template] | None = None
    ) -> list[MatchEvidence]:
        """What the scores of :meth:`match` are made of.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            templates: look for these; ``None`` is the one that was set.

        Returns:
            For each template, in their order, the evidence for its best match, found or not.

        Raises: as :meth:`match`.
        """
        self._check_open()
        return [
            self._evidence(template, features, *self._places(level, features, 1)[0])
            for template, level, features in self._encoded(as_bgr(image), self._checked(templates))
        ]

    def quality_map(self, image: Any, template: Template | None = None) -> QualityMap:
        """How well each patch of an image matches the template, for people who look.

        Raises: as :meth:`match`.
        """
        self._check_open()
        picture = as_bgr(image)
        wanted = self._checked(None if template is None else [template])[0]
        level = self._choose_level(wanted, picture)
        features = self._encoder.encode(picture, level.scale)
        rows, cells, stride = level.fine.own_rows, features.fine, self._encoder.stride
        target = np.ones(len(rows), np.float32)
        if cells is None:
            rows, target = level.coarse.rows, level.coarse.target
            cells, stride = features.coarse, self._encoder.coarse_stride
        values = self._quality(rows, target, cells)
        cell = (stride / features.scale_x, stride / features.scale_y)
        return QualityMap(values, cell, (picture.shape[1], picture.shape[0]))

    def _threshold(self) -> float:
        return self._recipe.threshold

    def _checked(self, templates: Sequence[Template] | None) -> Sequence[Template]:
        """The templates to look for, made by this model."""
        if templates is None:
            if self._template is None:
                raise TemplateError("no template: call set_template() first, or pass templates")
            return [self._template]
        if isinstance(templates, Template):
            raise TemplateError("templates is a Template; give a list of them: [template]")
        if not templates:
            raise TemplateError("the list of templates is empty")
        for template in templates:
            if not isinstance(template, Template):
                raise TemplateError(
                    f"templates holds a {type(template).__name__}; give a list of Templates, "
                    "as encode_template() returns them"
                )
            if template.model != self._model:
                raise TemplateError(
                    f"template {template.name!r} was encoded by another model "
                    f"({template.model[:12]}…, this bundle is {self._model[:12]}…); encode it again"
                )
        return templates

    def _choose_level(self, template: Template, image: Image) -> TemplateLevel:
        """The finest level at which the image is not too large to search."""
        height, width = image.shape[:2]
        if template.size[0] > width or template.size[1] > height:
            size = f"{template.size[0]:g}x{template.size[1]:g}"
            raise TemplateError(
                f"the template ({size} px) is larger than the image ({width}x{height} px); "
                "search a larger image or use a smaller template"
            )
        limit = self._recipe.max_pixels
        fitting = [lv for lv in template.levels if height * width * lv.scale**2 <= limit]
        if not fitting:
            raise ImageError(
                f"image {width}x{height} px is too large to search for a template of "
                f"{template.size[0]:g}x{template.size[1]:g} px (limit {limit:,} working pixels); "
                "search parts of it"
            )
        return fitting[0]

    def _encoded(
        self, picture: Image, templates: Sequence[Template]
    ) -> Iterator[tuple[Template, TemplateLevel, FeatureMap]]:
        """Each template with the level at which it is looked for, and the image encoded for it."""
        encoded: dict[float, FeatureMap] = {}
        for template in templates:
            level = self._choose_level(template, picture)
            if level.scale not in encoded:
                encoded[level.scale] = self._encoder.encode(picture, level.scale)
            yield template, level, encoded[level.scale]

    def _quality(self, rows: Array, target: Array, cells: Array) -> Array:
        return quality_map(self.session, rows, target, cells, self._recipe.alpha)

    def _search(self, level: TemplateLevel, features: FeatureMap, count: int) -> list[Peak]:
        """The best windows of the coarse map, in coarse cells, with their evidence.

        Competitors sharpen the place, but they also take quality away from true matches by how
        busy the surroundings are; presence is judged without them.
        """
        grid = level.coarse
        quality = self._quality(grid.rows, grid.target, features.coarse)
        response = window_response(quality, grid.footprint)
        shape = grid.footprint.shape
        peaks = find_peaks(response, (shape[0], shape[1]), count, self._recipe.overlap)
        if not grid.target.all():
            own = grid.own_rows
            quality = self._quality(own, np.ones(len(own), np.float32), features.coarse)
        evidence = window_mean(quality, grid.footprint)
        return [replace(p, evidence=float(evidence[round(p.y), round(p.x)])) for p in peaks]

    def _places(
        self, level: TemplateLevel, features: FeatureMap, count: int
    ) -> list[tuple[Peak, Place]]:
        """The best windows and where exactly they lie, best first."""
        recipe, stride = self._recipe, self._encoder.coarse_stride
        peaks = self._search(level, features, max(count, recipe.candidates))
        least = recipe.rival_share * peaks[0].response
        placed: list[tuple[Peak, Place]] = []
        for rank, peak in enumerate(peaks):
            if rank < count or (rank < recipe.candidates and peak.response >= least):
                x, y = level.coarse.box_at(peak.x, peak.y, stride)
                place = self._placer.place(level.fine, features, x, y)
                placed.append((peak, place if recipe.refine else replace(place, x=x, y=y)))
        rivals = [pair for pair in placed[: recipe.candidates] if pair[0].response >= least]
        rivals.sort(key=lambda pair: -self._promise(*pair))
        return [*rivals, *placed[len(rivals) :]][:count]

    def _match(
        self,
        template: Template,
        features: FeatureMap,
        peak: Peak,
        place: Place,
        min_score: float | None,
        index: int,
    ) -> Match:
        """Turn a place into a match in pixels of the image, of the template's size."""
        box = Box(place.x / features.scale_x, place.y / features.scale_y, *template.size)
        if template.inside:
            box = move_inside(box, *features.size)
        evidence = self._evidence(template, features, peak, place)
        score = self._recipe.score(evidence.quality, evidence.likeness)
        found = score >= (self._recipe.threshold if min_score is None else min_score)
        return Match(box, score, found, index)

    def _evidence(
        self, template: Template, features: FeatureMap, peak: Peak, place: Place
    ) -> MatchEvidence:
        """What speaks for a place."""
        width, height = template.size
        working = Box(place.x, place.y, width * features.scale_x, height * features.scale_y)
        # What is left of a single colour are effects of the border, and those match one to one.
        flat = template.flat or is_flat(features.working, working, None)
        return MatchEvidence(0.0 if flat else peak.evidence, place.likeness)

    def _resized(
        self, template: Template, level: TemplateLevel, image: Image, place: Place, match: Match
    ) -> Match:
        """A match with the size that the object has in this image."""
        box = self._placer.resize(level, image, match.box, place.likelihood)
        if template.inside:
            box = move_inside(box, image.shape[1], image.shape[0])
        return replace(match, box=box)

    def _promise(self, peak: Peak, place: Place) -> float:
        """What makes one candidate better than another."""
        weight = self._recipe.likelihood_weight
        return float(np.log(max(peak.response, TINY))) + weight * place.likelihood
