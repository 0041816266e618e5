"""One call at a time of objects that change with every call, whichever threads they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from .forking import ForkWatch

Arguments = ParamSpec("Arguments")
AnswerT = TypeVar("AnswerT")


class CallLock:
    """Whose turn it is.

    Attributes:
        lock: held by the thread that is being served.
    """

    def __init__(self) -> None:
        self.lock = RLock()
        ForkWatch.add(self)

    def forked(self) -> None:
        """In a child process: another thread may have held the lock, and is not there."""
        self.lock = RLock()


class SharedFields:
    """A dataclass that several threads use, and that keeps what was computed from its fields.

    Copies and pickles take its fields alone, and of a table those entries that it has at that
    moment: what other threads add meanwhile would break them off.
    """

    def __getstate__(self) -> dict[str, Any]:
        values = {each.name: getattr(self, each.name) for each in fields(cast("Any", self))}
        return {
            name: value.copy() if isinstance(value, dict) else value
            for name, value in values.items()
        }


class TakesTurns(Protocol):
    """Has methods of which one runs at a time."""

    _turn: CallLock


SelfT = TypeVar("SelfT", bound=TakesTurns)


def in_turn(
    method: Callable[Concatenate[SelfT, Arguments], AnswerT],
) -> Callable[Concatenate[SelfT, Arguments], AnswerT]:
    """Let calls of a method from several threads wait for each other, and for the other methods
    of the same object that are marked so."""

    @wraps(method)
    def waiting(self: Any, *args: Arguments.args, **kwargs: Arguments.kwargs) -> AnswerT:
        with self._turn.lock:
            return method(self, *args, **kwargs)

    return waiting
