"""``Matcher``: find a template in images."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..answers import ms_since
from ..arguments import as_count, as_number
from ..backends.graph import Device, Precision
from ..boxes import BoxLike, checked_region
from ..errors import BoxError, ImageError, InputError, TemplateError
from ..images import AnyImage, Image, as_bgr, as_object_frame, batch_problem, checked_pixels
from ..patches.encoder import Encoder
from ..patches.quality import QualityMap, quality_map
from ..session import Session, Source
from ..session_task import SessionTask, practice_box, practice_picture
from ..value_range import shared_range
from .judging import JudgedPose, comparer_for
from .matches import Match
from .planar import PlaneFitter, checked_fit
from .plane import PlaneMap
from .pose import Interval, PoseRange
from .posing import PoseFinder
from .searching import search_level
from .suppression import Suppress, apart, checked_suppress
from .template import Template, TemplateEncoder
from .upright import UprightFinder

Array = NDArray[Any]


class Matcher(SessionTask):
    """Finds templates in images.

    Images are ``(H, W, 3)`` uint8 BGR (grey and BGRA are converted; other integers and floats are
    shown as :mod:`..value_range` says); boxes are ``(x, y, w, h)`` in pixels. Several threads may
    call :meth:`match` and :meth:`encode_template` of one matcher at once; :meth:`set_template`
    changes it and is not for concurrent use.

    Args:
        bundle: folder written by ``qatm-export``, a bundle that was loaded, or a session to share;
            ``None`` is the bundle inside the package.
        device: ``auto`` (the best that works; :attr:`info` says which), ``gpu`` (the best GPU that
            works), ``cpu``, ``cuda``, ``tensorrt``, ``tensorrt-rtx`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads; ``None`` lets the runtime choose.
        sha256: what ``bundle.json`` must have, as ``sha256sum bundle.json`` prints it; any other
            bundle is refused before anything of it is opened.

    Raises:
        BundleError: the bundle is missing, damaged, lacks the precision, or is not the one that
            ``sha256`` is of.
        DeviceError: what was asked for is not available here.
        InputError: ``device``, ``precision``, ``threads`` or ``sha256`` beside a session;
            ``sha256`` is no hash, or stands beside a bundle that was loaded.
    """

    TASK = "match"

    def __init__(
        self,
        bundle: Source | Session | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__(bundle, device, precision, threads, sha256)
        recipe = self._recipe = self.bundle.spec.recipes.match
        comparer = comparer_for(self.session)
        self._encoder = Encoder(self.session)
        self._uprights = UprightFinder(self._encoder, recipe, comparer)
        self._poses = PoseFinder(self._encoder, recipe, comparer)
        self._planes = PlaneFitter(self._encoder, recipe)
        self._model = self.bundle.file_hash("features", "fp32")
        self._templates = TemplateEncoder(self._encoder, recipe, self._model)
        self._template: Template | None = None

    @property
    def template(self) -> Template | None:
        """The template that :meth:`match` looks for when none is passed."""
        return self._template

    def encode_template(
        self,
        image: AnyImage,
        box: BoxLike | None = None,
        mask: Array | None = None,
        name: str = "",
        *,
        value_range: Sequence[float] | None = None,
        rotation: Interval | None = None,
        scale: Interval | None = None,
    ) -> Template:
        """Encode a template.

        Args:
            image: the frame that shows the object, or a crop of it when ``box`` is ``None``. A
                frame is better: its patches then see what surrounds them.
            box: ``(x, y, w, h)``; may be sub-pixel and may stick out of the frame.
            mask: ``(H, W)`` bool of the image's size or of the box's, true on the object.
            name: what the template is called, text of up to 1,000 letters that is kept with it; its
                matches have it too.
            value_range: ``(low, high)``, the values of pictures that are not uint8 to show as black
                and white; ``None`` finds them as :mod:`..value_range` says.
            rotation: encode the template at these angles too, as :meth:`match` has them; otherwise
                the first search for them does, which then takes longer.
            scale: the same for sizes.

        Raises:
            ImageError: not a usable image.
            BoxError: malformed, or outside the frame.
            TemplateError: a mask that does not fit, or that leaves nothing.
            InputError: a value range that is not two finite numbers, the lower one first; or
                ``rotation`` or ``scale`` out of range; or a name that no file can keep.
        """
        self._check_open()
        poses = PoseRange.of(rotation, scale)
        frame, values = as_object_frame(image, box, value_range)
        made = replace(self._templates.encode(frame, box, mask, name), value_range=values)
        if poses is not None:
            self._poses.posed(made, poses, made.levels[0])
        return made

    def set_template(
        self,
        image: AnyImage,
        box: BoxLike | None = None,
        mask: Array | None = None,
        name: str = "",
        *,
        value_range: Sequence[float] | None = None,
    ) -> Template:
        """Encode a template (see :meth:`encode_template`) and look for it from now on."""
        self._template = self.encode_template(image, box, mask, name, value_range=value_range)
        return self._template

    def match(
        self,
        image: AnyImage,
        top_k: int = 1,
        min_score: float | None = None,
        templates: Sequence[Template] | None = None,
        *,
        region: BoxLike | None = None,
        rotation: Interval | None = None,
        scale: Interval | None = None,
        suppress: Suppress = "each",
        fit: PlaneMap = "similarity",
    ) -> list[Match]:
        """Find the template, or several at the price of one encoding of the image.

        Args:
            image: ``(H, W, 3)`` uint8 BGR.
            top_k: at most this many matches of each template.
            min_score: score from which a match is found; ``None`` is the bundle's threshold.
            templates: look for these; ``None`` is the one that was set.
            region: search only this part of the image, ``(x, y, w, h)`` in whole pixels; nothing
                outside it is looked at, and boxes are in pixels of the image as ever.
            rotation: angles at which the object is looked for, in degrees, counter-clockwise as
                seen in the picture: ``r`` for ±r, or ``(lo, hi)``; ``None`` is the template as it
                is, give or take about 20 degrees.
            scale: sizes relative to the template in which it is looked for: ``s`` for 1/s to s, or
                ``(lo, hi)``; ``None`` is the template's own, give or take half as much again.
            suppress: ``"each"`` keeps the matches of each template apart; ``"all"`` those of all
                templates, so that a place is given to the one that fits best there.
            fit: what :attr:`Match.transform` of a match that is found may be: a ``similarity``; or,
                for planar objects seen from the side, an ``affine`` map or a ``homography`` where
                the template fits clearly better through it. Places and scores stay the same.

        Returns:
            Matches, best first. The best candidate of each template is always listed, with
            ``found=False`` where its score is too low; further ones only if they are found.

        Raises:
            ImageError: not a usable image.
            BoxError: a region that is malformed or sticks out of the image.
            InputError: ``top_k``, ``min_score``, ``rotation`` or ``scale`` out of range, or an
                unknown ``suppress`` or ``fit``.
            TemplateError: no template, one of another model, or one larger than the image or the
                region.
        """
        self._check_open()
        start = time.perf_counter()
        top_k = as_count(top_k, "top_k")
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be at least 1")
        least = self._recipe.threshold if min_score is None else as_number(min_score, "min_score")
        if not 0 <= least <= 1:
            raise InputError(f"min_score is {min_score}; scores lie between 0 and 1")
        taking = checked_suppress(suppress)
        poses = PoseRange.of(rotation, scale)
        count = checked_fit(fit)
        wanted = self._checked(templates)
        picture = _shown(image, wanted)
        x = y = 0
        if region is not None:
            part = checked_region(region, picture.shape[1], picture.shape[0])
            x, y = part.x, part.y
            smallest = 1.0 if poses is None else poses.scales[0]
            for template in wanted:
                if template.size[0] * smallest > part.w or template.size[1] * smallest > part.h:
                    raise TemplateError(
                        f"the template ({template.size[0]:g}x{template.size[1]:g} px) is larger "
                        f"than the region ({part.w}x{part.h} px); search a larger region"
                    )
            picture = picture[y : y + part.h, x : x + part.w]
        judged = self._judged(picture, wanted, top_k, poses)
        found = apart(judged, wanted, top_k, least, self._recipe.overlap, taking)
        found = self._planes.fitted(picture, wanted, found, count)
        if region is not None:
            found = [match.shifted(x, y) for match in found]
        spent = ms_since(start)
        return [replace(match, ms=spent) for match in found]

    def match_batch(
        self,
        images: Iterable[AnyImage],
        top_k: int = 1,
        min_score: float | None = None,
        templates: Sequence[Template] | None = None,
        *,
        region: BoxLike | None = None,
        rotation: Interval | None = None,
        scale: Interval | None = None,
        suppress: Suppress = "each",
        fit: PlaneMap = "similarity",
    ) -> list[list[Match]]:
        """:meth:`match` for several images, of any sizes.

        Args:
            images: a list, an array ``(N, H, W, 3)``, or a generator, of which one is held at a
                time.
            top_k, min_score, templates, region, rotation, scale, suppress, fit: as of
                :meth:`match`.

        Returns:
            The matches in each image, in their order.

        Raises: as :meth:`match`; the message says in which image, counted from 0.
        """
        if problem := batch_problem(images):
            raise ImageError(problem)
        found: list[list[Match]] = []
        for place, image in enumerate(images):
            try:
                found.append(
                    self.match(
                        image,
                        top_k,
                        min_score,
                        templates,
                        region=region,
                        rotation=rotation,
                        scale=scale,
                        suppress=suppress,
                        fit=fit,
                    )
                )
            except (ImageError, BoxError, TemplateError) as error:
                raise type(error)(f"image {place}: {error}") from error
        return found

    def warm_up(
        self,
        size: tuple[int, int] = (640, 480),
        *,
        rotation: Interval | None = None,
        scale: Interval | None = None,
    ) -> None:
        """Do what the first image would wait for; see :meth:`.SessionTask.warm_up`.

        Looks for the template that is set, if there is one.

        Args:
            size: width and height of the images to come.
            rotation: with which it will be looked for.
            scale: the same.
        """
        picture = practice_picture(size)
        template = self._template or self.encode_template(picture, practice_box(size))
        self.match(picture, templates=[template], rotation=rotation, scale=scale)

    def evidence(
        self,
        image: AnyImage,
        templates: Sequence[Template] | None = None,
        top_k: int = 1,
        *,
        rotation: Interval | None = None,
        scale: Interval | None = None,
    ) -> list[list[JudgedPose]]:
        """What the scores of :meth:`match` are made of.

        Args: as of :meth:`match`.

        Returns:
            For each template, in their order, the best places, found or not, the surest first.

        Raises: as :meth:`match`.
        """
        self._check_open()
        top_k = as_count(top_k, "top_k")
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; it must be at least 1")
        poses = PoseRange.of(rotation, scale)
        wanted = self._checked(templates)
        judged = self._judged(_shown(image, wanted), wanted, top_k, poses)
        return [sorted(some, key=lambda each: -each.preference)[:top_k] for some in judged]

    def quality_map(self, image: AnyImage, template: Template | None = None) -> QualityMap:
        """How well each patch of an image matches the template, for people who look.

        Raises: as :meth:`match`.
        """
        self._check_open()
        wanted = self._checked(None if template is None else [template])[0]
        picture = as_bgr(image, value_range=wanted.value_range)
        height, width = picture.shape[:2]
        level = search_level(wanted, width, height, self._recipe)
        features = self._encoder.encode(picture, level.scale)
        rows, stride = level.fine.own_rows, self._encoder.stride
        target = np.ones(len(rows), np.float32)
        if features.taps is None:
            rows, target = level.coarse.rows, level.coarse.target
            cells, stride = features.coarse, self._encoder.coarse_stride
        else:
            cells = features.taps.whole()
        alpha = self._recipe.alpha
        values = quality_map(self.session, rows, target, cells, alpha).contested
        cell = (stride / features.scale_x, stride / features.scale_y)
        return QualityMap(values, cell, (width, height))

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
        if not isinstance(templates, Sequence) or isinstance(templates, (str, bytes, memoryview)):
            raise TemplateError(
                f"templates is a {type(templates).__name__}; give a list of Templates, as "
                "encode_template() returns them"
            )
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
            template.check_fits(
                self.bundle.spec.backbone.channels,
                self._encoder.stride,
                self._encoder.coarse_stride,
            )
        return templates

    def _judged(
        self,
        picture: Image,
        templates: Sequence[Template],
        count: int,
        poses: PoseRange | None,
    ) -> list[list[JudgedPose]]:
        """The best places of each template, judged."""
        search = self._uprights.search(picture)
        if poses is None:
            return self._uprights.found(search, templates, count)
        return self._poses.found(search, templates, count, poses)


def _shown(image: AnyImage, templates: Sequence[Template]) -> Image:
    """An image in the range of the templates that are looked for in it.

    Raises:
        ImageError: not a usable image.
        TemplateError: the ranges of the templates are too different.
    """
    pixels = checked_pixels(image)
    values = shared_range(pixels, (template.value_range for template in templates))
    return as_bgr(pixels, value_range=values)
