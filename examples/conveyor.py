"""Count products on a conveyor belt: several templates searched in every frame.

python examples/conveyor.py belt.mp4 cap=cap.png label=label.png --line 200
python examples/conveyor.py 0 bolt=bolt.png nut=nut.png --axis y

Each template is a picture of one product, cut out tightly. A product is counted when its centre
passes the line, in either direction.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from qatm import runtime

PATIENCE = 3
SAME = 0.3


@dataclass
class Product:
    """A product in view: its kind, where its centre is, and for how many frames unseen."""

    kind: str
    along: float
    across: float
    unseen: int = 0


class LineCounter:
    """Counts products whose centres pass a line.

    Args:
        line: where the line is, in pixels along the belt.
        reach: how far a product moves from one frame to the next at most, in pixels.
    """

    def __init__(self, line: float, reach: float) -> None:
        self.line = line
        self.reach = reach
        self.counts: Counter[str] = Counter()
        self._known: list[Product] = []

    def update(self, seen: Iterable[Product]) -> None:
        """Take the products of the next frame."""
        waiting = self._known
        self._known = list(seen)
        for now in self._known:
            near = [known for known in waiting if self._may_be(known, now)]
            if near:
                before = min(near, key=lambda known: abs(known.along - now.along))
                waiting.remove(before)
                self.counts[now.kind] += (before.along < self.line) != (now.along < self.line)
        for missing in waiting:
            missing.unseen += 1
        self._known += [missing for missing in waiting if missing.unseen <= PATIENCE]

    def _may_be(self, known: Product, now: Product) -> bool:
        """Whether a product can have moved from one place to the other."""
        reach = self.reach * (1 + known.unseen)
        apart = max(abs(known.along - now.along), abs(known.across - now.across))
        return known.kind == now.kind and apart <= reach


def products_in(matches: list[runtime.Match], kinds: list[str], axis: str) -> list[Product]:
    """The products that were found; of two kinds at one place the better match counts.

    A template may well be found, with a lower score, on a product that is not its own: the others
    are there to tell which it is.
    """
    kept: list[runtime.Match] = []
    for match in matches:  # best first
        if match.found and all(runtime.box_iou(match.box, best.box) < SAME for best in kept):
            kept.append(match)
    products = []
    for match in kept:
        x, y, w, h = match.box
        place = (x + w / 2, y + h / 2) if axis == "x" else (y + h / 2, x + w / 2)
        products.append(Product(kinds[match.template], *place))
    return products


def read_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Count products on a conveyor belt.")
    parser.add_argument("source", help="camera index such as 0, video file, folder or URL")
    parser.add_argument("templates", nargs="+", metavar="NAME=FILE", help="product and picture")
    parser.add_argument("--line", type=float, help="pixels along the belt; default: the middle")
    parser.add_argument("--axis", choices="xy", default="x", help="the way the belt runs")
    parser.add_argument("--reach", type=float, default=40, help="largest step per frame, pixels")
    parser.add_argument("--at-once", type=int, default=3, help="products of a kind in view")
    return parser.parse_args()


def main() -> None:
    """Search every frame and print the counts."""
    arguments = read_arguments()
    kinds = [text.partition("=")[0] for text in arguments.templates]
    pictures = [text.partition("=")[2] for text in arguments.templates]
    counts: Counter[str] = Counter()
    live = arguments.source.isdigit()
    with runtime.Video(arguments.source, live=live) as video, runtime.Matcher() as matcher:
        templates = [matcher.encode_template(runtime.read_image(file)) for file in pictures]
        counter = None
        for frame in video:
            if counter is None:
                height, width = frame.image.shape[:2]
                middle = (width if arguments.axis == "x" else height) / 2
                line = middle if arguments.line is None else arguments.line
                counter = LineCounter(line, arguments.reach)
            matches = matcher.match(frame.image, arguments.at_once, templates=templates)
            counter.update(products_in(matches, kinds, arguments.axis))
            for kind in counter.counts - counts:
                print(f"{frame.time:.2f} s: {kind} {counter.counts[kind]}", flush=True)
            counts = counter.counts.copy()
    for kind in kinds:
        print(f"{kind}: {counts[kind]}")


if __name__ == "__main__":
    main()
