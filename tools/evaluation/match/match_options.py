"""What an evaluation of methods is asked: checked before any work is done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ....runtime.errors import InputError, QatmError
from ...baselines import METHODS, MethodOptions, open_method
from ...destinations import check_figure_folder
from ...inputs import split_names
from ..processes import usual_processes
from .match_runs import PROTOCOLS
from .variants import OURS, Variant, ablation, plain_variants

ALL = "all"


def named_methods(
    asked: Sequence[str], methods: Collection[str], options: MethodOptions
) -> list[str]:
    """The methods that are meant.

    Args:
        asked: names, also several in one, separated by commas; :data:`ALL` is every one, none ours.
        methods: names of those that there are.
        options: for them.

    Raises:
        InputError: none, an unknown one, or a changed recipe and not the method that has it.
    """
    names = split_names(asked or (OURS,))
    known = f"choose from {', '.join(methods)} or {ALL}"
    if not names:
        raise InputError(f"--method names no method; {known}")
    for name in names:
        if name not in (*methods, ALL):
            raise InputError(f"method {name!r} is unknown; {known}")
    chosen = list(methods) if ALL in names else names
    if options.recipe and OURS not in chosen:
        raise InputError(f"--set changes the recipe of {OURS}, which is not among the methods")
    return chosen


class Closeable(Protocol):
    """What an opened method can do at least."""

    def close(self) -> None:
        """Release what it holds."""
        ...


@dataclass(frozen=True)
class EvaluationOptions:
    """What is to be done.

    Attributes:
        variants: methods and their options, in the order of the table.
        protocols: in the order of the table.
        processes: how many at once.
        save: folder for the details.
        ablation: the variants are those of the ablation, timed against each other.
    """

    variants: tuple[Variant, ...]
    protocols: tuple[str, ...]
    processes: int
    save: Path | None
    ablation: bool = False


@dataclass(frozen=True)
class EvaluationRequest:
    """What was asked for; what was left open is ``None`` or empty.

    Attributes:
        methods: names, also several in one, separated by commas; ``all`` is every one.
        protocols: names.
        options: model, device, weights and changed recipe of the methods.
        processes: how many at once.
        save: folder for the details.
        ablation: compare variants of our method.
    """

    methods: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    options: MethodOptions = field(default_factory=MethodOptions)
    processes: int | None = None
    save: Path | None = None
    ablation: bool = False

    def names(self) -> list[str]:
        """The methods that are meant.

        Raises:
            InputError: none, an unknown one, or some where the ablation chooses them.
        """
        if self.ablation:
            if self.methods:
                raise InputError("--ablation compares variants of qatm; leave --method out")
            return [variant.method for variant in ablation(self.options)]
        return named_methods(self.methods, METHODS, self.options)

    def check(self, left_out: Callable[[str], None]) -> EvaluationOptions:
        """Open each method once to see that it works, and see that the folder can be written.

        Args:
            left_out: told of each of ``all`` methods that cannot run here.

        Raises:
            QatmError: a method asked for by its name cannot run here, or the folder is unusable.
        """
        if self.save is not None:
            check_figure_folder("--save", self.save)
        variants = self._variants(left_out)
        ordered = tuple(name for name in PROTOCOLS if name in (self.protocols or PROTOCOLS))
        count = self.processes or usual_processes()
        return EvaluationOptions(variants, ordered, count, self.save, self.ablation)

    def _variants(self, left_out: Callable[[str], None]) -> tuple[Variant, ...]:
        """The lines of the table."""
        if self.ablation:
            variants = ablation(self.options)
            for variant in variants:
                open_method(variant.method, variant.options).close()
            return variants
        by_name = split_names(self.methods or (OURS,))
        usable = usable_methods(self.names(), by_name, self.options, left_out)
        return plain_variants(usable, self.options)


def usable_methods(
    names: Sequence[str],
    needed: Sequence[str],
    options: MethodOptions,
    left_out: Callable[[str], None],
    opened: Callable[[str, MethodOptions], Closeable] | None = None,
) -> tuple[str, ...]:
    """The methods that can run here, each opened once to see that it works.

    Args:
        names: methods.
        needed: those that were asked for by their name.
        options: what they are opened with.
        left_out: told of each of the others that cannot run here, and why.
        opened: opens a method; by default one that places boxes.

    Raises:
        QatmError: a needed one cannot run here.
    """
    usable: list[str] = []
    for name in names:
        try:
            (opened or open_method)(name, options).close()
        except QatmError as error:
            if name in needed:
                raise
            left_out(f"{name} is left out: {error}")
        else:
            usable.append(name)
    return tuple(usable)
