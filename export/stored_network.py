"""A trained network as the weights in a bundle are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from ..runtime.bundle.folder import Bundle
from ..runtime.errors import BundleError
from ..runtime.json_values import count_of, member, text_of
from ..runtime.saved_arrays import read_arrays
from .networks import KINDS

MOST_CHANNELS = 1000
"""A manifest that says more is not believed."""


def stored_network(bundle: Bundle, task: str) -> torch.nn.Module:
    """The network of a bundle for a task, with its weights.

    Raises:
        BundleError: a file is damaged or missing, or of another network.
    """
    kind = KINDS[task]
    file = bundle.file(kind.weights_role, "fp32")
    try:
        arrays = read_arrays(file)
        module = kind.make(_choice(kind.told(bundle.spec), kind.choice))
        module.load_state_dict({name: torch.from_numpy(each) for name, each in arrays.items()})
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise BundleError(f"{file} does not fit the network ({reason}); export it again") from error
    return module


def _choice(told: Mapping[str, Any], name: str) -> str | int:
    """What the manifest says a network is like: its matching layer, or a number of channels.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = member(told, name)
    return text_of(value, name) if name == "matching" else count_of(value, name, 1, MOST_CHANNELS)
