"""``Session``: a bundle opened once on a device, shared by everything that computes with it.

with Session("bundle", device="tensorrt") as session:
    matcher, tracker = Matcher(session), Tracker(session)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .arguments import as_size
from .backends.devices import open_backend
from .backends.graph import Device, Graph, Precision
from .backends.roles import (
    BoxGraph,
    ComparisonGraph,
    FeatureRunner,
    Features,
    NetworkGraph,
    PlaceRunner,
    Qualities,
    QualityRunner,
    WindowFit,
)
from .bundle.folder import Bundle
from .bundle.manifest import COMPARE_ROLE, FOLLOW_ROLE, NETWORK_ROLE
from .bundle.recipes import TASKS
from .errors import BundleError, DeviceError, InputError
from .forking import ForkWatch
from .kinds import Numeric

Array = NDArray[Any]

Source = str | Path | Bundle
WORTH_THREADS: Numeric[int] = 4
"""For fewer items the threads would take as long to start as they save."""

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class SessionInfo:
    """What a session runs on.

    Attributes:
        bundle: folder of the bundle.
        backbone: network and taps.
        precision: of the features graph.
        device: the device in use, never the one merely asked for.
        provider: the inference library's word for what runs the graphs.
        stride: pixels per cell at the working resolution.
        hashes: SHA-256 of each file of the bundle.
        calibrated: for each task, whether its score was fitted for this backbone.
    """

    bundle: str
    backbone: str
    precision: str
    device: str
    provider: str
    stride: int
    hashes: dict[str, str] = field(repr=False)
    calibrated: dict[str, bool]

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return asdict(self)


class Session:
    """A bundle opened on a device, for any number of tasks.

    ``Matcher``, ``Tracker``, ``MultiTracker``, ``Aligner`` and ``Verifier`` take a session in the
    place of a bundle. Each of them counts as a user, and so does whoever made the session: what it
    holds is released when the last of them has closed it, so that closing one never takes it from
    another. A closed session takes no new users.

    Several threads may use one session at once, through the same task or through several; opening
    and closing are safe from any thread too. What a task keeps of its own (a template that was set,
    a followed object) is for one thread at a time: trackers let others wait.

    Args:
        bundle: folder written by ``qatm-export``, or a bundle that was loaded; ``None`` is the
            bundle inside the package.
        device: ``auto`` (the best that works; :attr:`info` says which), ``gpu`` (the best GPU that
            works), ``cpu``, ``cuda``, ``tensorrt``, ``tensorrt-rtx`` or ``openvino``.
        precision: ``auto``, ``fp32``, ``fp16`` or ``int8``.
        threads: CPU threads; ``None`` lets the inference library choose.
        sha256: what ``bundle.json`` must have, as ``sha256sum bundle.json`` prints it; any other
            bundle is refused before anything of it is opened.

    Attributes:
        bundle: what was opened.
        device: the device in use.
        provider: the inference library's word for what runs the graphs.
        precision: of the features graph.
        tap_steps: how many cells of the finest map one cell of each of the taps covers.

    Raises:
        BundleError: the bundle is missing, damaged, lacks the precision, or is not the one that
            ``sha256`` is of.
        DeviceError: what was asked for is not available here.
        InputError: ``sha256`` is no hash, or stands beside a bundle that was loaded.
    """

    def __init__(
        self,
        bundle: Source | None = None,
        device: Device = "auto",
        *,
        precision: Precision = "auto",
        threads: int | None = None,
        sha256: str | None = None,
    ) -> None:
        if isinstance(bundle, Bundle):
            if sha256 is not None:
                raise InputError("sha256 beside a loaded bundle; give it to Bundle.load")
            self.bundle = bundle
        else:
            self.bundle = Bundle.load(bundle, check=False, sha256=sha256)
        self._backend = open_backend(self.bundle, device, precision, threads)
        self.device = self._backend.device
        self.provider = self._backend.provider
        self.precision = self._backend.precision
        self._features = FeatureRunner(self._backend, self.bundle)
        self._match = QualityRunner(self._backend, self.bundle)
        self._places = PlaceRunner(self._backend, self.bundle)
        self.tap_steps = self._features.tap_steps
        self._lock = Lock()
        self._users = 1
        self._maker = SessionUse(self)
        ForkWatch.add(self)

    @property
    def info(self) -> SessionInfo:
        """What this session runs on."""
        spec = self.bundle.spec
        return SessionInfo(
            bundle=str(self.bundle.path),
            backbone=spec.backbone.label,
            precision=self.precision,
            device=self.device,
            provider=self.provider,
            stride=spec.backbone.stride,
            hashes={name: info.sha256 for name, info in spec.files.items()},
            calibrated={task: spec.calibrated(task) for task in TASKS},
        )

    @property
    def users(self) -> int:
        """How many have the session open: its maker and every task that has not closed it."""
        return self._users

    def features(self, image: Array) -> Features:
        """Encode one image.

        Args:
            image: ``(H, W, 3)`` uint8 BGR, sides multiples of the bundle's ``align``.

        Raises:
            DeviceError: a side that the engine was not built for, or the device failed.
        """
        return self._features.encode(image[None])[0]

    def features_of(self, images: Sequence[Array], most: int) -> list[Features]:
        """Encode several images of one size, in as few runs as may be.

        Args:
            images: as for :meth:`features`.
            most: pixels of the images of one run; there is at least one image in each.

        Raises: as :meth:`features`.
        """
        return self._features.encode_in_runs(images, most)

    def side_by_side(
        self, work: Callable[[ItemT], AnswerT], items: Sequence[ItemT]
    ) -> list[AnswerT]:
        """Do small work for several items, on several threads where the device gains by it.

        Args:
            work: runs graphs with ``one_thread``; safe for several threads at once.
            items: what it is done for.

        Returns:
            What ``work`` gives for each item, in their order.
        """
        workers = min(self._backend.workers, len(items))
        if workers == 1 or len(items) < WORTH_THREADS:
            return [work(item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(work, items))

    def quality(
        self, rows: Array, target: Array, search: Array, *, one_thread: bool = False
    ) -> Qualities:
        """Quality of each search cell (paper, equation 5), from the matching graph.

        Args:
            rows: ``(M, C)`` float32 raw features.
            target: ``(M,)`` float32, 1 for the template's own rows, 0 for competitors.
            search: ``(C, H, W)`` float32 raw features.
            one_thread: keep to the calling thread, because others do the same at the same time.

        Raises:
            DeviceError: a size that the engine was not built for, or the device failed.
        """
        return self._match.run(rows, target, search, one_thread=one_thread)

    def fit(self, rows: Array, target: Array, search: Array, cells: Array) -> WindowFit | None:
        """How well a template fits at some shifts, from the graph that places templates.

        Args:
            rows: ``(M, C)`` float32 raw features, the template's own first.
            target: ``(M,)`` float32, 1 for the template's own rows, 0 for competitors.
            search: ``(C, H, W)`` float32 raw features.
            cells: ``(K, S)`` int64, for each own row and each shift, the cell at the row's place.

        Returns:
            Values ``(S,)`` and the pairs ``(K, H * W)``, or ``None`` where the device or the
            bundle has no such graph.
        """
        return self._places.run(rows, target, search, cells)

    def warm_up(self, size: tuple[int, int] = (640, 480)) -> None:
        """Run the features graph on a picture of a size and load the matching graph, so that who
        computes with them first need not wait. Tasks have a ``warm_up`` that does more.

        Args:
            size: width and height of the pictures to come.

        Raises:
            InputError: a side is no whole number from 1 on, or there are more pixels than
                :mod:`.limits` allow.
            DeviceError: a size that the engine was not built for, or the device failed.
        """
        align = self.bundle.spec.backbone.align
        width, height = (-(-side // align) * align for side in as_size(size))
        self.features(np.zeros((height, width, 3), np.uint8))
        self.graph("match")

    def takes_image(self, height: int, width: int) -> bool:
        """Whether :meth:`features` takes an image of this size in one piece."""
        return self._features.admits(1, height, width)

    def takes_match(self, rows: int, height: int, width: int) -> bool:
        """Whether :meth:`quality` takes so many rows and a map of this size in one piece."""
        return self._match.admits(rows, height, width)

    def graph(self, role: str) -> Graph:
        """The graph with a role (``features``, ``match``, ``network`` ...), opened once.

        Raises:
            BundleError: the bundle has no such graph, or its file is damaged.
            DeviceError: the device does not work with it, or has no engine for it.
        """
        return self._backend.graph(role)

    def network(self, task: str) -> Graph:
        """The trained network of the bundle for a task, ``align`` or ``verify``.

        Raises:
            BundleError: the bundle has none, one for another task, or a damaged one.
            DeviceError: the device does not work with it, or has no engine for it.
        """
        have = self.bundle.spec.network.get("task")
        if have != task:
            what = "no network" if have is None else f"a network for {have!r}"
            raise BundleError(
                f"bundle {self.bundle.path} has {what}, not one for {task!r}: "
                f"qatm-export --task {task} --network CHECKPOINT"
            )
        return NetworkGraph(self.graph(NETWORK_ROLE), self.bundle, task)

    def box_network(self, shapes: Mapping[str, tuple[int, ...]]) -> BoxGraph:
        """The trained network of the bundle that reads how a followed object's box lies.

        Args:
            shapes: of its inputs.

        Raises:
            BundleError: the bundle has none, or one that takes or gives something else.
            DeviceError: the device does not work with it, or has no engine for it.
        """
        return BoxGraph(self.graph(FOLLOW_ROLE), self.bundle, shapes)

    def comparison(self) -> ComparisonGraph:
        """The trained network of the bundle that compares registered pixels.

        Raises:
            BundleError: the bundle has none, or one that takes or gives something else.
            DeviceError: the device does not work with it, or has no engine for it.
        """
        return ComparisonGraph(self.graph(COMPARE_ROLE), self.bundle)

    def __repr__(self) -> str:
        folder = self.bundle.path.name
        return f"Session({folder!r}, device={self.device!r}, precision={self.precision!r})"

    def close(self) -> None:
        """Give the session up; what it holds is released when its last user closes it.

        May be called twice.
        """
        self._maker.close()

    def forked(self) -> None:
        """In a child process: another thread may have held the lock, and is not there."""
        self._lock = Lock()

    def join(self) -> SessionUse:
        """Count one more user, until it closes what it gets here.

        Raises:
            DeviceError: the session is closed.
        """
        with self._lock:
            if self._maker.closed:
                raise DeviceError("this session is closed; make a new one")
            self._users += 1
        return SessionUse(self)

    def _leave(self, use: SessionUse) -> None:
        """Count one user less, once; the last one releases everything."""
        with self._lock:
            if use.closed:
                return
            use.closed = True
            self._users -= 1
            last = self._users == 0
        if last:
            self._backend.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SessionUse:
    """One user's part in a session, its maker's too."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.closed = False

    def close(self) -> None:
        """Leave the session. May be called twice, and by several threads at once."""
        self.session._leave(self)
