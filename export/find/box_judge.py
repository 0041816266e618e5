"""The size, the exact place and the score of what was placed, as nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...runtime.bundle.judge_network import FARTHEST
from ...runtime.match import judging
from ...runtime.match.comparing import UNKNOWN
from ...runtime.match.differences import Differences
from .comparison import comparison
from .patch_nodes import (
    Networks,
    Spot,
    packed,
)
from .picture_search import Sought
from .pixel_nodes import Registered, by_pixels, differing, tint
from .sampling import single_coloured, upright
from .sights import PatchLook, look_sides, looked
from .turned import fits_turned
from .values import TRUTH, Value


class BoxJudge:
    """Sizes, registers and judges what was found of a template in an image.

    Args:
        networks: of the bundle.
        sought: the template and the image.
    """

    def __init__(self, networks: Networks, sought: Sought) -> None:
        self.networks = networks
        self.sought = sought
        self.recipe = networks.recipe
        image = sought.image
        self.writer = image.writer
        self.height, self.width = image.side(0).float(), image.side(1).float()

    def judged(
        self, first: PatchLook, box: Sequence[Value], margin: Value, promise: Value
    ) -> list[Value]:
        """Estimate the size of what was placed, register it and judge it.

        Returns:
            Its middle, scale, score and preference.
        """
        writer, sought, recipe = self.writer, self.sought, self.recipe
        mean, best = self._sized(first)
        spot = Spot(mean[0], mean[1], best.angle, mean[2])
        numbers, image, compare = sought.numbers, sought.image, self.networks.compare
        has_pixels = numbers["registered"] > 0.0

        def by_them() -> list[Value]:
            found = by_pixels(
                sought.pixels, sought.core, numbers["core"] > 0.0, image, spot, recipe
            )
            apart = differing(sought.pixels, image, found.spot)
            return [*found.spot, found.correlation, *apart, *self._compared(found.spot)]

        def without() -> list[Value]:
            unknown = [*Differences.unknown(), *([] if compare is None else [UNKNOWN])]
            return [*spot, writer.value(0.0), *map(writer.value, unknown)]

        known = writer.choose(has_pixels, by_them, without)
        differences = known[5 : 5 + len(Differences.unknown())]
        fit = Registered(Spot(*known[:4]), known[4])
        colour = tint(image, fit.spot, sought.size, sought.colours)
        own = packed(writer, [numbers[name] for name in ("blue", "green", "red")])
        apart = writer.sqrt(((colour - own) * (colour - own)).sum())
        standing = writer.most(margin, writer.least(writer.exp(best.likelihood / 2.0) * 2.0, 1.0))
        evidence = packed(
            writer,
            [
                *(best.likelihood, best.similarity, best.likeness, best.support),
                *(best.worst, best.most, best.best),
                writer.most(fit.correlation, 0.0),
                *differences,
                writer.least(apart / judging.TINTS, 2.0),
                standing,
                numbers["confusable"],
                writer.value(0.0),
                *(numbers[name] for name in ("even", "smooth", "noise", "edges")),
                *known[5 + len(differences) :],
            ],
        )
        nothing = (numbers["flat"] > 0.0) | single_coloured(
            sought.image, (box[0], box[1], box[2], box[3])
        )
        odds = writer.where(nothing, float(judging.REFUSED), self._odds(evidence))
        rigid = fit.correlation >= recipe.rigid_correlation
        beyond = self._beyond(fit.spot, odds, rigid)
        unsure = writer.where(
            rigid, 1.0 - self._logistic((odds - judging.SURE) * 2.0), writer.value(1.0)
        )
        prior = promise * recipe.response_weight
        preference = odds + prior * unsure - beyond.float() * judging.OUTSIDE
        refused = beyond | (odds <= judging.REFUSED)
        score = writer.where(refused, 0.0, self._logistic(odds))
        return [*self._upright(fit.spot), score, preference]

    def _compared(self, spot: Spot) -> list[Value]:
        """What the network that compares pixels says, where the bundle has one."""
        network, sought = self.networks.compare, self.sought
        if network is None or sought.picture is None:
            return []
        return [comparison(network, sought.picture, sought.pixels, sought.image, spot)]

    def _sized(self, first: PatchLook) -> tuple[list[Value], PatchLook]:
        """The mean of what was seen in several sizes, and the best look; see ``SizeEstimator``."""
        writer, recipe, sought = self.writer, self.recipe, self.sought
        names = PatchLook._fields
        most = max(recipe.size_rounds, recipe.size_most_rounds) if recipe.size_rounds else 0
        whole = sought.fine.footprint.min() > 0.0
        columns, rows = look_sides(self.networks, sought.size, sought.scale)

        def look(number: Value, last: Value) -> tuple[Value, list[Value], list[Value]]:
            before = PatchLook(*(last.at(index) for index in range(len(names))))
            spot = Spot(before.x, before.y, writer.value(0.0), before.scale)
            crop = upright(sought.image, spot.scale / sought.scale, (spot.x, spot.y), columns, rows)
            sight = looked(self.networks, sought.fine, crop, sought.working, spot, sought.scale)
            zoom = writer.abs(writer.log(sight.scale / sight.placed_scale))
            moves = (zoom > math.log(recipe.size_moves)) & (sight.likelihood > before.likelihood)
            row = packed(writer, sight)
            return (number + 1 < recipe.size_rounds) | moves, [row], [row]

        start = packed(writer, first)
        _, rest = writer.loop(most, whole, [start], look, 1)
        sights = writer.join([start.widened(0), rest.shaped(-1, len(names))])
        likelihoods = sights.at(names.index("likelihood"), 1)
        weights = writer.exp(likelihoods - likelihoods.max())
        shares = weights / weights.sum()
        x, y, scale = (sights.at(names.index(f"placed_{name}"), 1) for name in ("x", "y", "scale"))
        # About the first one: a mean of large numbers would lose what they differ in.
        middle = [side.at(0) + ((side - side.at(0)) * shares).sum() for side in (x, y)]
        mean = [*middle, writer.exp((writer.log(scale) * shares).sum())]
        best = sights.at(writer.argmax(likelihoods))
        return mean, PatchLook(*(best.at(index) for index in range(len(names))))

    def _odds(self, evidence: Value) -> Value:
        """Log-odds that a box is right."""
        writer, judge = self.writer, self.recipe.judge
        standard = (evidence - judge.centre.astype(np.float32)) / judge.spread.astype(np.float32)
        standard = standard.clip(-FARTHEST, FARTHEST)
        inner = standard @ np.ascontiguousarray(judge.hidden[:, :-1].T)
        inner = writer.node("Tanh", inner + judge.hidden[:, -1])
        return (inner * judge.output[:-1]).sum() + float(judge.output[-1])

    def _logistic(self, odds: Value) -> Value:
        return self.writer.node("Sigmoid", odds)

    def _beyond(self, spot: Spot, odds: Value, rigid: Value) -> Value:
        """Whether an object lies so that it is only found if poses are asked for."""
        writer, recipe, sought = self.writer, self.recipe, self.sought
        zoom = writer.abs(writer.log(spot.scale))
        turn = writer.abs(spot.angle)
        far = (zoom > math.log(recipe.most_zoom)) | (turn > math.radians(recipe.most_turn))
        step = sought.numbers["square_step"]
        asked = ~(far | rigid) & (odds >= 0.0) & (step > 0.0)
        turned = writer.choose(
            asked,
            lambda: [fits_turned(sought.squares, step, sought.image, spot, sought.size)],
            lambda: [writer.value(False, TRUTH)],
        )[0]
        return far | turned

    def _upright(self, spot: Spot) -> list[Value]:
        """Middle and scale of the upright box."""
        writer, sought = self.writer, self.sought
        width, height = sought.size
        size = spot.scale if self.recipe.size_rounds else writer.value(1.0)
        scale = writer.least(size, self.width / width, self.height / height)
        inside = sought.numbers["inside"] > 0.0
        middle = []
        for place, side, limit in (
            (spot.x, width * scale, self.width),
            (spot.y, height * scale, self.height),
        ):
            half = side / 2.0
            edge = (place - half).clip(0.0, writer.most(limit - side, 0.0))
            middle.append(writer.where(inside, edge + half, place))
        return [*middle, scale]
