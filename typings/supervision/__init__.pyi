# What is used of supervision, which is optional.
from typing import Any

from numpy.typing import NDArray

class Detections:
    def __init__(
        self,
        xyxy: NDArray[Any],
        mask: NDArray[Any] | None = ...,
        confidence: NDArray[Any] | None = ...,
        class_id: NDArray[Any] | None = ...,
        tracker_id: NDArray[Any] | None = ...,
        data: dict[str, Any] = ...,
        metadata: dict[str, Any] = ...,
    ) -> None: ...
    @classmethod
    def empty(cls) -> Detections: ...
