"""Screens: windows, bars, tables, forms and text, with slots where objects go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from .fonts import FontSet
from .icons import Colour, rounded_box, vivid
from .stickers import Array, Picture, Sticker, paste
from .widgets import Theme
from .wording import number, title, without, words

Random = np.random.Generator
Area = tuple[int, int, int, int]


@dataclass
class Screen:
    """A screen while it is drawn.

    Attributes:
        canvas: ``(H, W, 3)`` uint8 BGR.
        theme: how it looks.
        fonts: type faces.
        random: everything depends on it only.
        slot: width and height of what goes into slots, in pixels.
        zoom: how much larger than usual everything is.
        backed: whether what goes into slots lies on a panel everywhere, since it is see-through.
        banned: words that its text does not hold, since they are looked for.
        slots: left top corners of the slots so far.
    """

    canvas: Picture
    theme: Theme
    fonts: FontSet
    random: Random
    slot: tuple[int, int]
    zoom: float = 1.0
    backed: bool = False
    banned: str = ""
    slots: list[tuple[int, int]] = field(default_factory=list)

    def px(self, pixels: float) -> int:
        """A length at the screen's zoom."""
        return max(1, round(pixels * self.zoom))

    def add_slot(self, x: int, y: int) -> bool:
        """Make a slot, if all of it is on the screen."""
        height, width = self.canvas.shape[:2]
        fits = 0 <= x <= width - self.slot[0] and 0 <= y <= height - self.slot[1]
        if fits:
            self.slots.append((x, y))
        return fits

    def place(self, sticker: Sticker, matrix: Array) -> None:
        """Put something into a slot."""
        if self.backed:
            x, y = np.rint(matrix[:, 2]).astype(int).tolist()
            self.box((x - 2, y - 2, self.slot[0] + 4, self.slot[1] + 4), self.theme.panel)
        paste(self.canvas, sticker, matrix)

    def box(self, area: Area, colour: Colour, radius: int = 0, line: int = -1) -> None:
        """Draw a rectangle: x, y, w, h."""
        if area[2] > 1 and area[3] > 1:
            rounded_box(self.canvas, area, round(radius * self.zoom), colour, line)

    def text(
        self, x: int, y: int, text: str, size: float = 0.0, colour: Colour | None = None
    ) -> int:
        """Write a line, its top left at a place; what is outside is cut. Returns its width."""
        theme = self.theme
        text = without(text, self.banned)
        mask = self.fonts.line(text, theme.face, (size or theme.size) * self.zoom)
        height, width = self.canvas.shape[:2]
        if x < 0 or y < 0 or x >= width or y >= height:
            return mask.shape[1]
        area = self.canvas[y : y + mask.shape[0], x : x + mask.shape[1]]
        share = mask[: area.shape[0], : area.shape[1], None].astype(np.uint16)
        ink = np.array(colour or theme.text, np.uint16)
        area[:] = (area * (255 - share) + ink * share + 127) // 255
        return mask.shape[1]


def draw_layout(screen: Screen) -> None:
    """Fill a screen: a desktop, a program, a page, a form or a telephone."""
    height, width = screen.canvas.shape[:2]
    layouts: tuple[Callable[[Screen], None], ...]
    layouts = (_desktop, _program, _page, _settings, _program)
    draw = _telephone if height > width else layouts[int(screen.random.integers(len(layouts)))]
    draw(screen)


def _desktop(screen: Screen) -> None:
    """A wallpaper, objects with names below, a bar, and often a window."""
    height, width = screen.canvas.shape[:2]
    random = screen.random
    _wallpaper(screen)
    bar = screen.px(30) + screen.slot[1] // 2
    _named_grid(screen, (0, 0, width if random.random() < 0.4 else width // 3, height - bar))
    if random.random() < 0.6:
        _window(screen, (width * 3 // 8, height // 10, width // 2, height * 7 // 10))
    screen.box((0, height - bar, width, bar), screen.theme.panel)
    _row(screen, (0, height - bar, width * 3 // 4, bar))
    screen.text(width - screen.px(70), height - bar + screen.px(6), _time(random))


def _program(screen: Screen) -> None:
    """A window that fills the screen."""
    height, width = screen.canvas.shape[:2]
    screen.canvas[:] = screen.theme.ground
    _window(screen, (0, 0, width, height))


def _page(screen: Screen) -> None:
    """A page of the web: navigation, headline, cards, text, and things in a row."""
    height, width = screen.canvas.shape[:2]
    theme, random = screen.theme, screen.random
    screen.canvas[:] = theme.panel
    top = screen.px(40) + screen.slot[1] // 2
    screen.box((0, 0, width, top), theme.accent if random.random() < 0.4 else theme.ground)
    screen.text(screen.px(16), screen.px(8), title(random, 1), theme.size * 1.6)
    _row(screen, (width // 2, 0, width // 2, top))
    margin = int(random.choice([20, 60, width // 8]))
    y = top + screen.px(20)
    screen.text(margin, y, title(random, 4), theme.size * 2.2)
    y += screen.px(theme.size * 3.5)
    blocks = (_cards, _paragraph, _form, _table, _named_grid)
    while y < height - screen.px(60):
        tall = int(random.integers(height // 5, height // 2))
        block = blocks[int(random.integers(len(blocks)))]
        if random.random() < 0.5:
            half = (width - 2 * margin) // 2
            block(screen, (margin, y, half - 10, tall))
            margin_2 = margin + half + 10
            blocks[int(random.integers(len(blocks)))](screen, (margin_2, y, half - 10, tall))
        else:
            block(screen, (margin, y, width - 2 * margin, tall))
        y += tall + screen.px(16)


def _settings(screen: Screen) -> None:
    """A list of choices beside a form."""
    height, width = screen.canvas.shape[:2]
    theme = screen.theme
    screen.canvas[:] = theme.panel
    side = width // 4
    screen.box((0, 0, side, height), theme.ground)
    _rows(screen, (0, screen.px(40), side, height - screen.px(40)))
    screen.text(screen.px(14), screen.px(8), title(screen.random, 1), theme.size * 1.5)
    screen.text(side + screen.px(20), screen.px(10), title(screen.random, 2), theme.size * 1.5)
    area = (
        side + screen.px(20),
        screen.px(60),
        width - side - screen.px(40),
        height - screen.px(70),
    )
    _form(screen, area)


def _telephone(screen: Screen) -> None:
    """A telephone: status line, a grid or a list, a bar below."""
    height, width = screen.canvas.shape[:2]
    theme, random = screen.theme, screen.random
    grid = random.random() < 0.5
    if grid:
        _wallpaper(screen)
    else:
        screen.canvas[:] = theme.panel
    bar = screen.px(24) + screen.slot[1]
    screen.text(screen.px(14), screen.px(4), _time(random))
    body = (0, screen.px(40), width, height - bar - screen.px(50))
    (_named_grid if grid else _rows)(screen, body)
    screen.box((0, height - bar, width, bar), theme.ground)
    _row(screen, (0, height - bar, width, bar))


def _window(screen: Screen, area: Area) -> None:
    """A window: title, menu, tools, a list beside, a body, a status line."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    screen.box((x - 1, y - 1, w + 2, h + 2), theme.border, theme.radius)
    screen.box(area, theme.panel, theme.radius)
    # What was below is covered.
    sw, sh = screen.slot
    screen.slots = [
        (u, v) for u, v in screen.slots if u + sw <= x or v + sh <= y or u >= x + w or v >= y + h
    ]
    line = screen.px(theme.size * 1.9)
    screen.box(
        (x, y, w, line), theme.accent if random.random() < 0.3 else theme.ground, theme.radius
    )
    screen.text(x + screen.px(10), y + screen.px(4), title(random, 3))
    for index, colour in enumerate(((80, 80, 230), (60, 190, 230), (90, 190, 70))):
        place = (x + w - screen.px(18 + 20 * index), y + line // 2)
        cv2.circle(screen.canvas, place, screen.px(6), colour, -1, cv2.LINE_AA)
    y, h = y + line, h - line
    left = x + screen.px(8)
    for word in words(random, 6):
        left += screen.text(left, y + screen.px(2), word.capitalize()) + screen.px(10)
    y, h = y + line, h - line
    tools = screen.slot[1] + screen.px(12)
    screen.box((x, y, w, tools), theme.ground)
    _row(screen, (x, y, w, tools))
    y, h = y + tools, h - tools - line
    if random.random() < 0.6 and w > 500:
        _rows(screen, (x, y, w // 4, h))
        cv2.line(screen.canvas, (x + w // 4, y), (x + w // 4, y + h), theme.border, 1)
        x, w = x + w // 4, w - w // 4
    blocks = (_table, _paragraph, _named_grid, _form, _table)
    blocks[int(random.integers(len(blocks)))](screen, (x + 8, y + 8, w - 16, h - 16))
    screen.text(
        x + screen.px(10), y + h + screen.px(2), f"{number(random, 3)} items", 0, theme.muted
    )


def _row(screen: Screen, area: Area) -> None:
    """Slots beside each other, in groups."""
    x, y, w, h = area
    sw, sh = screen.slot
    gap = screen.px(int(screen.random.integers(3, 15)))
    left = x + screen.px(8)
    while left + sw < x + w - screen.px(4):
        screen.add_slot(left, y + (h - sh) // 2)
        left += sw + gap
        if screen.random.random() < 0.15:
            cv2.line(screen.canvas, (left, y + 4), (left, y + h - 5), screen.theme.border, 1)
            left += gap


def _rows(screen: Screen, area: Area) -> None:
    """A list: a slot and a name in each row; one row is chosen."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sw, sh = screen.slot
    step = max(sh, screen.px(theme.size * 1.4)) + screen.px(int(random.integers(4, 14)))
    count = h // step
    chosen = int(random.integers(max(1, count)))
    indent = screen.px(8)
    for row in range(count):
        top = y + row * step
        if row == chosen:
            screen.box((x + 2, top, w - 4, step - 2), theme.border, theme.radius)
        shift = screen.px(14) if random.random() < 0.2 else 0
        screen.add_slot(x + indent + shift, top + (step - sh) // 2)
        place = x + indent + shift + sw + screen.px(8)
        size = theme.size
        if place < x + w - screen.px(40):
            name = title(random, int(random.integers(1, 3)))
            screen.text(place, top + (step - screen.px(size * 1.3)) // 2, name)


def _named_grid(screen: Screen, area: Area) -> None:
    """Slots in rows and columns with a name below each."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sw, sh = screen.slot
    across = max(sw + screen.px(24), screen.px(int(random.integers(70, 110))))
    down = sh + screen.px(theme.size * 1.5 + int(random.integers(10, 30)))
    named = random.random() < 0.85
    for top in range(y + screen.px(10), y + h - down + 1, down):
        for left in range(x + screen.px(8), x + w - across + 1, across):
            screen.add_slot(left + (across - sw) // 2, top)
            if named:
                name = title(random, 1)
                middle = left + across // 2 - round(len(name) * theme.size * screen.zoom * 0.28)
                screen.text(max(left, middle), top + sh + screen.px(3), name, theme.size * 0.9)


def _table(screen: Screen, area: Area) -> None:
    """Rows with text in columns; one or two columns hold slots."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sw, sh = screen.slot
    step = max(sh, screen.px(theme.size * 1.4)) + screen.px(int(random.integers(2, 12)))
    widths, left = [], 0
    while left < w:
        slots = random.random() < 0.4 or left == 0
        widths.append((left, slots))
        left += sw + screen.px(16) if slots else screen.px(int(random.integers(70, 170)))
    striped, lined = random.random() < 0.4, random.random() < 0.5
    for row, top in enumerate(range(y, y + h - step + 1, step)):
        if row == 0 or (striped and row % 2):
            screen.box((x, top, w, step), theme.ground)
        if lined:
            cv2.line(screen.canvas, (x, top + step), (x + w, top + step), theme.border, 1)
        for left, slots in widths:
            if slots and left + sw < w and row:
                screen.add_slot(x + left + screen.px(6), top + (step - sh) // 2)
            elif not slots and left + screen.px(60) < w:
                text = number(random, 4) if (left % 3) and row else title(random, 1)
                screen.text(x + left, top + (step - screen.px(theme.size * 1.3)) // 2, text[:9])


def _form(screen: Screen, area: Area) -> None:
    """Labels with slots and fields, in one or more columns."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sw, sh = screen.slot
    step = max(sh, screen.px(theme.size * 1.4)) + screen.px(int(random.integers(4, 18)))
    columns = max(1, w // max(sw + screen.px(190), int(random.integers(200, 420))))
    for column in range(columns):
        left = x + column * w // columns
        for top in range(y, y + h - step + 1, step):
            text_top = top + (step - screen.px(theme.size * 1.3)) // 2
            label = title(random, int(random.integers(1, 3)))
            if random.random() < 0.7:
                screen.add_slot(left, top + (step - sh) // 2)
                screen.text(left + sw + screen.px(8), text_top, label)
            else:
                screen.text(left, text_top, label)
                area = (left + screen.px(120), top + 1, screen.px(70), step - 3)
                screen.box(area, theme.border, theme.radius, 1)


def _cards(screen: Screen, area: Area) -> None:
    """Cards with a picture, a headline, a line of text and a slot."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sw, sh = screen.slot
    wide = max(screen.px(150), sw + screen.px(20))
    for left in range(x, x + w - wide + 1, wide + screen.px(12)):
        screen.box((left, y, wide, h), theme.border, theme.radius)
        screen.box((left + 1, y + 1, wide - 2, h - 2), theme.ground, theme.radius)
        screen.box((left + 1, y + 1, wide - 2, h // 3), vivid(random), theme.radius)
        screen.text(left + 8, y + h // 3 + screen.px(4), title(random, 1), theme.size * 1.2)
        screen.text(
            left + 8, y + h // 3 + screen.px(26), " ".join(words(random, 2)), 0, theme.muted
        )
        if h // 3 + screen.px(52) + sh < h:
            screen.add_slot(left + screen.px(8), y + h - sh - screen.px(6))
            screen.add_slot(left + wide - sw - screen.px(8), y + h - sh - screen.px(6))


def _paragraph(screen: Screen, area: Area) -> None:
    """Lines of text; slots between them now and then."""
    x, y, w, h = area
    theme, random = screen.theme, screen.random
    sh = screen.slot[1]
    step = screen.px(theme.size * 1.6)
    letters = max(1, int(w / (theme.size * screen.zoom * 0.62)))
    top = y
    while top < y + h - max(step, sh):
        if random.random() < 0.15:
            screen.add_slot(x, top)
            screen.add_slot(x + w // 2, top)
            top += sh + screen.px(4)
        else:
            screen.text(x, top, " ".join(words(random, letters // 7 + 1))[:letters])
            top += step


def _wallpaper(screen: Screen) -> None:
    """A gradient between two colours, with some soft shapes."""
    height, width = screen.canvas.shape[:2]
    random = screen.random
    ends = np.array([vivid(random, (0.2, 0.8)), vivid(random, (0.2, 0.8))], np.float32)
    small = np.empty((24, 32, 3), np.float32)
    small[:] = ends[0] + (ends[1] - ends[0]) * np.linspace(0, 1, 32)[None, :, None]
    small += random.normal(0.0, float(random.choice([0, 0, 4, 10, 20])), small.shape)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    screen.canvas[:] = np.clip(smooth, 0, 255).astype(np.uint8)
    for _ in range(int(random.integers(0, 4))):
        centre = int(random.integers(width)), int(random.integers(height))
        radius = int(random.integers(60, 300))
        cv2.circle(screen.canvas, centre, radius, vivid(random, (0.2, 0.9)), -1, cv2.LINE_AA)


def _time(random: Random) -> str:
    """A time of day."""
    return f"{int(random.integers(10, 24))}:{int(random.integers(10, 60))}"
