"""A network that reads how a followed object's box really lies, from maps of evidence around it.

A tracker supposes a box. Around it a grid of cells says how well each place fits the object and its
surroundings, and from which part of the object it seems to be. Three convolutions and two linear
layers make of that, and of a few readings taken elsewhere, by how much place and size are off and
how far each of these answers may be wrong: the spread of a Laplace distribution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MAPS = 16
"""Maps of evidence."""

SIDE = 20
"""Cells of a map in both directions."""

CHANGES = 4
"""Place in x and y, width and height."""


class BoxNet(nn.Module):
    """Changes of a supposed box, and the doubt about each, from evidence.

    Args:
        readings: how many numbers come beside the maps.
        width: channels of the first convolution.
        deeper: channels of the two that halve the maps.
        hidden: width of the linear layer between.
        dropout: share of the maps' values that is left out in training.

    Raises:
        ValueError: fewer than one reading.
    """

    def __init__(
        self,
        readings: int,
        *,
        width: int = 24,
        deeper: int = 32,
        hidden: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if readings < 1:
            raise ValueError(f"readings is {readings}; the network takes at least 1")
        self.readings = readings
        self.maps = nn.Sequential(
            nn.Conv2d(MAPS, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, deeper, 3, stride=2, padding=1),
            nn.BatchNorm2d(deeper),
            nn.ReLU(),
            nn.Conv2d(deeper, deeper, 3, stride=2, padding=1),
            nn.BatchNorm2d(deeper),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(dropout),
        )
        cells = (SIDE // 4) ** 2
        self.answer = nn.Sequential(
            nn.Linear(deeper * cells + readings, hidden), nn.ReLU(), nn.Linear(hidden, 2 * CHANGES)
        )

    def forward(self, maps: Tensor, readings: Tensor) -> tuple[Tensor, Tensor]:
        """Read boxes.

        Args:
            maps: ``(B, 16, 20, 20)`` float32 evidence around the supposed boxes.
            readings: ``(B, K)`` float32.

        Returns:
            ``change (B, 4)``: how far the box's middle lies to the right and below, in the
            supposed width and height, and the natural logarithms of its width and height over the
            supposed ones; and ``doubt (B, 4)``: the natural logarithm of how far each of these is
            off on average.
        """
        answer = self.answer(torch.cat([self.maps(maps), readings], 1))
        return answer[:, :CHANGES], answer[:, CHANGES:]
