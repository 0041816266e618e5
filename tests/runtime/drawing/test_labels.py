"""Tags beside outlines: where they stand when there is little room."""

from __future__ import annotations

import numpy as np
import pytest

from qatm.runtime import Box
from qatm.runtime.drawing.labels import Label, draw_labels
from qatm.runtime.drawing.outlines import corners_of

COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 255, 255))


def labels(*boxes: Box, text: str = "0.97") -> list[Label]:
    return [
        Label(box, corners_of(box), text, colour)
        for box, colour in zip(boxes, COLOURS, strict=False)
    ]


def tags(*boxes: Box, text: str = "0.97", shape: tuple[int, int] = (240, 320)) -> list[Box]:
    """Where the tags stand, of which no part is hidden."""
    canvas = np.zeros((*shape, 3), np.uint8)
    draw_labels(canvas, labels(*boxes, text=text))
    found = []
    for label in labels(*boxes, text=text):
        rows, columns = np.nonzero((canvas == label.colour).all(axis=2))
        found.append(
            Box(
                float(columns.min()),
                float(rows.min()),
                float(np.ptp(columns) + 1),
                float(np.ptp(rows) + 1),
            )
        )
    return found


def common(one: Box, other: Box) -> float:
    across = min(one.xyxy[2], other.xyxy[2]) - max(one.x, other.x)
    down = min(one.xyxy[3], other.xyxy[3]) - max(one.y, other.y)
    return max(0.0, across) * max(0.0, down)


def test_a_tag_alone_stands_above_its_box_at_its_left_edge() -> None:
    (tag,) = tags(Box(100, 100, 60, 40))
    assert (tag.x, tag.xyxy[3]) == (100, 100)


def test_a_tag_at_the_upper_edge_stands_below_its_box() -> None:
    (tag,) = tags(Box(100, 3, 60, 40))
    assert (tag.x, tag.y) == (100, 43)


@pytest.mark.parametrize(
    "boxes",
    [
        (Box(100, 100, 20, 20), Box(122, 102, 20, 20)),
        (Box(100, 100, 60, 60), Box(104, 98, 60, 60)),
        (Box(100, 4, 60, 40), Box(110, 6, 60, 40)),
        (Box(260, 100, 58, 40), Box(262, 104, 57, 40)),
        (
            Box(100, 100, 20, 20),
            Box(122, 102, 20, 20),
            Box(100, 122, 20, 20),
            Box(122, 123, 20, 20),
        ),
    ],
    ids=["side by side", "nearly one place", "at the top", "at the right", "four"],
)
def test_tags_do_not_hide_each_other(boxes: tuple[Box, ...]) -> None:
    found = tags(*boxes)
    alone = tags(Box(100, 100, 60, 40))[0]
    assert {(tag.w, tag.h) for tag in found} == {(alone.w, alone.h)}, "each is to be seen whole"
    for index, tag in enumerate(found):
        assert not any(common(tag, other) for other in found[:index])


def test_a_tag_stands_where_it_hides_no_outline() -> None:
    """Above the lower box there is the bottom edge of the upper one."""
    upper, lower = Box(100, 60, 80, 60), Box(110, 126, 80, 60)
    tag = tags(upper, lower)[1]
    assert tag.y == 186, "below its box"
    assert not any(
        tag.x < x < tag.xyxy[2] and tag.y < y < tag.xyxy[3] for x, y in corners_of(upper)
    )


def test_the_first_one_chooses_first() -> None:
    one, other = Box(100, 100, 20, 20), Box(122, 102, 20, 20)
    assert tags(one, other)[0] == tags(one)[0]
    assert tags(other, one)[0] == tags(other)[0]


def test_where_there_is_no_room_each_tag_is_still_in_the_picture() -> None:
    boxes = [Box(2, 2, 60, 56)] * 4
    canvas = np.zeros((60, 64, 3), np.uint8)
    draw_labels(canvas, labels(*boxes))
    assert (canvas == COLOURS[3]).all(axis=2).sum() > 200
    draw_labels(canvas, labels(*boxes, text="much too long to be written here"))


def test_an_object_out_of_the_picture_has_its_tag_at_the_edge() -> None:
    (tag,) = tags(Box(-50, 100, 60, 40))
    assert (tag.x, tag.xyxy[3]) == (0, 100)


def test_half_characters_are_drawn_as_question_marks() -> None:
    """OpenCV would end the process over them."""
    box = Box(100, 100, 40, 40)
    drawn = [np.zeros((240, 320, 3), np.uint8) for _ in range(2)]
    for canvas, text in zip(drawn, ("a\ud800", "a?"), strict=True):
        draw_labels(canvas, labels(box, text=text))
    assert drawn[0].any()
    assert np.array_equal(drawn[0], drawn[1])
