"""Find a bundle on disk and check it before anything is loaded from it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import BundleError, InputError, seen
from ..files import as_path, read_regular
from ..json_values import parse_json
from ..kinds import Bound
from ..limits import BUNDLE_BYTES, FILE_BYTES, JSON_BYTES
from .hashing import read_hashed, sha256_of
from .manifest import BundleSpec, FileInfo
from .onnx_file import onnx_contents
from .onnx_operators import LOOPING
from .publishing import MANIFEST, finish

ONNX_SUFFIX = ".onnx"
WEIGHTS = "weights"
"""How the roles of files end that are no graphs; all others are looked through, however named."""


READS: Bound[int] = 3
"""How often a bundle is read that is replaced meanwhile."""


def default_bundle_path() -> Path:
    """The bundle that ships with the package."""
    return Path(__file__).parents[1] / "default_bundle"


def default_align_path() -> Path:
    """The bundle for alignment that ships with the package: deeper features, small weights."""
    return Path(__file__).parents[1] / "default_align"


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: its folder and what its manifest says.

    A file is hashed when it is first asked for, and again only if it has changed since.

    Attributes:
        path: its folder.
        spec: what its manifest says.
        sha256: of ``bundle.json`` as it was read, which pins the bundle; empty for one that was not
            loaded.
    """

    path: Path
    spec: BundleSpec
    sha256: str = field(default="", compare=False, repr=False)
    _seen: dict[str, tuple[str | int, ...]] = field(default_factory=dict, compare=False, repr=False)
    _read: dict[str, bytes] = field(default_factory=dict, compare=False, repr=False)
    _linked: set[str] = field(default_factory=set, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"Bundle({str(self.path)!r}, {self.spec.backbone.label})"

    @classmethod
    def load(
        cls, path: str | Path | None = None, *, check: bool = True, sha256: str | None = None
    ) -> Bundle:
        """Read and check a bundle; ``None`` is the one that ships with the package.

        Args:
            path: its folder.
            check: read the FP32 graphs too and compare their hashes. Without it a file is checked
                when it is asked for, so that whoever runs another precision hashes that one only.
            sha256: what ``bundle.json`` must have, 64 hexadecimal digits, as ``sha256sum`` prints
                them. It holds the hashes of all graphs and weights, so that this pins those, too.

        Raises:
            BundleError: missing, incomplete, damaged, of another schema version, or not the one
                that ``sha256`` is of.
            InputError: no path at all, or a ``sha256`` that is none.
        """
        folder = default_bundle_path() if path is None else as_path(path, "bundle")
        expected = None if sha256 is None else checked_hash(sha256)
        for _ in range(READS - 1):
            text = _manifest_of(folder)
            try:
                return cls._checked_load(folder, text, check=check, sha256=expected)
            except BundleError:
                # Another process may have written another bundle there meanwhile.
                if _manifest_of(folder) == text:
                    raise
        return cls._checked_load(folder, _manifest_of(folder), check=check, sha256=expected)

    @classmethod
    def _checked_load(cls, folder: Path, text: bytes, *, check: bool, sha256: str | None) -> Bundle:
        """The bundle whose manifest has been read, checked."""
        manifest = folder / MANIFEST
        digest = hashlib.sha256(text).hexdigest()
        if sha256 not in (None, digest):
            raise BundleError(
                f"{manifest} has the SHA-256 {digest} and not {sha256}; it is another bundle "
                "than the one that was pinned"
            )
        try:
            data = parse_json(text)
        except ValueError as error:
            raise _unreadable(manifest, error) from error
        bundle = cls(folder, BundleSpec.from_json(data), digest)
        if refusal := BUNDLE_BYTES.refusal(sum(info.bytes for info in bundle.spec.files.values())):
            raise BundleError(f"bundle {folder} {refusal}")
        if check:
            for role in ("features", "match"):
                bundle.file(role, "fp32")
        return bundle

    def file(self, role: str, precision: str) -> Path:
        """Path of the file with a role (``features``, ``match``) and a precision, hash checked.

        Raises:
            BundleError: the bundle has no such file, or it is missing or damaged.
        """
        return self._checked(*self._entry(role, precision))

    def contents(self, role: str, precision: str) -> bytes | None:
        """The ONNX file with a role and a precision as it was checked, to be opened from memory.

        Somebody else may write to the folder between a check and what a library opens by name.

        Returns:
            ``None`` if it has weights in other files, and has to be opened by its name.

        Raises:
            BundleError: the bundle has no such file, or it is missing or damaged.
        """
        name, info = self._entry(role, precision)
        path = self._checked(name, info)
        if name in self._linked:
            return None
        # Kept since it was hashed, for the first who opens it; later it is read once more.
        return self._read.pop(name, None) or _hashed(path, info)

    def file_problems(self) -> dict[str, str]:
        """What is wrong with the files of the bundle, each of which is hashed now.

        Returns:
            One line for each file that is missing, damaged or not what the manifest says, by its
            name; nothing where all are whole.
        """
        found: dict[str, str] = {}
        for name, info in self.spec.files.items():
            self._seen.pop(name, None)
            try:
                self._checked(name, info)
            except BundleError as error:
                found[name] = str(error)
            self._read.pop(name, None)
        return found

    def file_hash(self, role: str, precision: str) -> str:
        """SHA-256 of the file with a role and a precision, from the manifest; the file is not read.

        Raises:
            BundleError: the bundle has no such file.
        """
        return self._entry(role, precision)[1].sha256

    def graph_name(self, role: str, precision: str) -> str:
        """What messages call the graph with a role: its file, where the bundle has it."""
        have = self.precisions(role)
        known = precision if precision in have or not have else have[0]
        name = self._entry(role, known)[0] if have else f"the {role} graph"
        return str(self.path / name)

    def precisions(self, role: str = "features") -> list[str]:
        """The precisions that exist for a role."""
        return [info.precision for info in self.spec.files.values() if info.role == role]

    def output_names(self, role: str) -> tuple[str, ...]:
        """Names of the outputs of the graphs with a role, as the manifest has them."""
        for info in self.spec.files.values():
            if info.role == role:
                return tuple(tensor.name for tensor in info.outputs)
        return ()

    def _entry(self, role: str, precision: str) -> tuple[str, FileInfo]:
        """Name and description of the file with a role and a precision."""
        for name, info in self.spec.files.items():
            if info.role == role and info.precision == precision:
                return name, info
        have = ", ".join(self.precisions(role)) or "none"
        raise BundleError(
            f"bundle {self.path} has no {precision} {role} graph (it has: {have}); "
            f"export it with that precision"
        )

    def _checked(self, name: str, info: FileInfo) -> Path:
        """The path of a file whose size and hash agree with the manifest."""
        path = self.path / name
        # Unlike Path.is_file() this is no error for names that are too long for the system.
        if not os.path.isfile(path):
            raise BundleError(f"{path} is missing; copy the whole bundle or export it again")
        try:
            state = path.stat()
        except OSError as error:
            raise _unread(path, error) from error
        if state.st_size != info.bytes:
            raise BundleError(
                f"{path} has {state.st_size} bytes instead of {info.bytes}; copy or export it again"
            )
        mark = (info.sha256, *_mark(state))
        if self._seen.get(name) == mark:
            return path
        if info.role.endswith(WEIGHTS) and not name.endswith(ONNX_SUFFIX):
            _check_weights(path, info)
        else:
            data = _hashed(path, info)
            if self._check_graph(path, data, loops=info.role in LOOPING):
                self._linked.add(name)
            else:
                self._read[name] = data
        self._seen[name] = mark
        return path

    def _check_graph(self, path: Path, data: bytes, *, loops: bool) -> bool:
        """Refuse an ONNX file that no library should open, whatever its hash.

        Returns:
            Whether it has weights in other files.

        Raises:
            BundleError: it is none, has weights in files that are not of the bundle, or operators
                of which nothing is known.
        """
        try:
            contents = onnx_contents(data, loops=loops)
        except ValueError as error:
            raise BundleError(f"{path} is no ONNX file ({error}); export it again") from error
        if contents.problems:
            raise BundleError(f"{path} {contents.problems[0]}; export it again")
        for other in contents.external:
            if other not in self.spec.files or other == path.name:
                raise BundleError(
                    f"{path} has weights in {other!r}, whose SHA-256 {MANIFEST} does not have; "
                    "export it again"
                )
            self._checked(other, self.spec.files[other])
        return bool(contents.external)


def _hashed(path: Path, info: FileInfo) -> bytes:
    """The bytes of a file whose hash agrees with the manifest.

    Raises:
        BundleError: it cannot be read, or its hash is another one.
    """
    if refusal := FILE_BYTES.refusal(info.bytes):
        raise BundleError(f"{path} {refusal}")
    try:
        data, digest = read_hashed(path, info.bytes)
    except (OSError, ValueError, MemoryError) as error:
        raise _unread(path, error) from error
    _check_digest(path, digest, info)
    return data


def _check_weights(path: Path, info: FileInfo) -> None:
    """Compare the hash of a file that is not looked into, without having it in memory.

    Raises:
        BundleError: it cannot be read, or its hash is another one.
    """
    try:
        digest = sha256_of(path, info.bytes)
    except (OSError, ValueError) as error:
        raise _unread(path, error) from error
    _check_digest(path, digest, info)


def _check_digest(path: Path, digest: str, info: FileInfo) -> None:
    """Refuse a file with another hash than its manifest says."""
    if digest != info.sha256:
        raise BundleError(
            f"{path} does not have the SHA-256 of {MANIFEST}; it was changed or damaged: "
            "copy or export it again"
        )


def _unread(path: Path, error: Exception) -> BundleError:
    """What is said of a file that cannot be read."""
    why = "too little memory" if isinstance(error, MemoryError) else str(error)
    return BundleError(f"{path} cannot be read ({why}); copy it again")


def _manifest_of(folder: Path) -> bytes:
    """What the manifest in a folder holds, once all files of the bundle are in their places.

    Raises:
        BundleError: there is none, or it cannot be read.
    """
    manifest = folder / MANIFEST
    # Unlike Path.is_dir() these are no errors for names that are too long for the system.
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "does not exist"
        raise BundleError(f"bundle {folder} {what}; give a folder written by qatm-export")
    finish(folder)
    if not manifest.is_file():
        raise BundleError(f"{folder} holds no {MANIFEST}; give a folder that qatm-export completed")
    try:
        return read_regular(manifest, JSON_BYTES)
    except (OSError, ValueError) as error:
        raise _unreadable(manifest, error) from error


def _unreadable(manifest: Path, error: Exception) -> BundleError:
    """What is said of a manifest that cannot be read."""
    return BundleError(f"{manifest} cannot be read ({error}); export it again")


def checked_hash(sha256: object) -> str:
    """A hash that a caller gave, in lower case.

    Raises:
        InputError: it is not 64 hexadecimal digits.
    """
    if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(f"sha256 is {seen(sha256)}; give 64 hexadecimal digits")
    return sha256.lower()


def _mark(state: os.stat_result) -> tuple[int, ...]:
    """What changes when a file is written to or replaced."""
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
