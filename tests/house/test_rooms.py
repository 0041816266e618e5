"""The rooms inside the folders: what each may use, no circles, one name for one thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import pytest
from source_tree import (
    FOLDERS,
    MODULES,
    ROOT,
    imported_modules,
    imports_of,
    package_of,
    public_classes,
    source_of,
)

GROUND = frozenset(
    {
        *("answers", "arguments", "boxes", "decoding", "errors", "files", "images", "json_values"),
        *("kinds", "limits", "opencv", "picture_header", "saved_arrays", "value_range", "version"),
        *("forking", "growing_file", "turns", "whole_folder"),
    }
)
"""The modules of ``runtime/`` that know nothing of bundles; every room may use them."""

TASKS = frozenset({"match", "track", "align", "verify"})

RUNTIME_ROOMS: dict[str, frozenset[str]] = {
    **dict.fromkeys(GROUND, GROUND),
    "bundle": GROUND,
    "backends": GROUND | {"bundle"},
    "session": GROUND | {"bundle", "backends"},
    "session_task": GROUND | {"bundle", "backends", "session"},
    "patches": GROUND | {"bundle", "backends", "session"},
    **dict.fromkeys(TASKS, GROUND | {"bundle", "session", "session_task", "patches"}),
    "video": GROUND | {"track"},
    "drawing": GROUND | {"match", "track"},
    "tables": GROUND | {"match", "track"},
    "__init__": GROUND
    | TASKS
    | {"bundle", "drawing", "session", "session_task", "patches", "tables", "video"},
}
"""What each room or module of ``runtime/`` may use besides itself."""

PROTOCOL = ("runtime", "backends", "graph")
"""What every backend keeps and every session hands out: the tasks may name its types."""

TOOLS_ROOMS = frozenset(
    {"commands", "evaluation", "baselines", "train", "drawing", "demo", "lab", "packing", "scenes"}
)
VAGUE = frozenset({"case", "helper", "misc", "result", "setup", "util"})
"""Words that say nothing about a thing."""


def room_of(parts: Iterable[str]) -> str:
    """The room, or the module beside the rooms, that a path or dotted name lies in."""
    return PurePosixPath([*parts, "__init__"][1]).stem


def broken_rooms(module: str, source: str) -> list[str]:
    """List what a module imports from rooms that its own may not use."""
    package = package_of(module)
    home = room_of(module.split("/"))
    check = {"runtime": _runtime_problem, "tools": _tools_problem}.get(package[0])
    problems: dict[str, None] = {}
    for one in imports_of(source):
        parts = one.parts(package)
        if check and parts and parts[0] == package[0] and (broken := check(home, parts)):
            problems[f"{module}:{one.line}: {broken}"] = None
    return list(problems)


def _runtime_problem(home: str, parts: tuple[str, ...]) -> str | None:
    there = parts[1]
    if home not in RUNTIME_ROOMS:
        return f"{home} is no room or module of runtime/ that the rules know"
    if there not in RUNTIME_ROOMS:
        return f"{home} takes {there} from runtime/__init__.py, not from where it is defined"
    if parts[:3] == PROTOCOL and home in TASKS | {"__init__"}:
        return None
    may = RUNTIME_ROOMS[home] | {home}
    return None if there in may else f"{home} may not use {there}"


def _tools_problem(home: str, parts: tuple[str, ...]) -> str | None:
    if parts[1] == "commands" and home not in ("cli", "commands"):
        return f"{home} uses commands, which only cli.py may"
    return None


def private_imports(module: str, source: str) -> list[str]:
    """List the private names that a module takes from others of the project."""
    found = [one for one in imports_of(source) if one.level]
    taken = [(one.line, name) for one in found for name in (*one.module.split("."), one.name)]
    return [
        f"{module}:{line}: {name} is private"
        for line, name in taken
        if name.startswith("_") and not name.startswith("__")
    ]


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other, each sorted; what is in no circle is left out."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        todo, seen = [start], set[str]()
        while todo:
            new = set(graph.get(todo.pop(), ())) - seen
            seen |= new
            todo += new
        reached[start] = seen
    groups = {
        tuple(sorted(other for other in seen if start in reached.get(other, ())))
        for start, seen in reached.items()
        if start in seen
    }
    return sorted(map(list, groups))


def room_path(module: str) -> str:
    """The room of a module from the root: ``runtime/match``; a module beside rooms is its own."""
    return "/".join(PurePosixPath(module).with_suffix("").parts[:2])


def said_twice(homes: Iterable[tuple[str, str]]) -> list[str]:
    """List the names that more than one place gives to something.

    Args:
        homes: name and place.
    """
    places = defaultdict[str, list[str]](list)
    for name, place in homes:
        places[name].append(place)
    return [f"{name}: {', '.join(found)}" for name, found in places.items() if len(found) > 1]


def vague_words(name: str) -> set[str]:
    """The words of a module's or class's name that say nothing."""
    words = {word.lower().removesuffix("s") for word in re.findall(r"[A-Za-z][a-z]*", name)}
    return words & VAGUE


def test_rooms_use_only_the_floors_below():
    problems = [each for module in MODULES for each in broken_rooms(module, source_of(module))]
    assert not problems, "\n".join(problems)


def test_runtime_and_tools_have_the_rooms_of_the_design():
    rooms = {
        folder: {path.parent.name for path in (ROOT / folder).glob("*/__init__.py")}
        for folder in ("runtime", "tools")
    }
    assert rooms["tools"] == TOOLS_ROOMS
    assert rooms["runtime"] == TASKS | {"backends", "bundle", "drawing", "patches", "video"}


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("runtime/match/a.py", "from ..track.tracker import Tracker", "match may not use track"),
        ("runtime/track/a.py", "from ..match.matches import Match", "track may not use match"),
        ("runtime/align/a.py", "def f():\n    from ..verify import views", "may not use verify"),
        ("runtime/verify/a.py", "from ..backends.onnx import OnnxSession", "may not use backends"),
        ("runtime/track/a.py", "from ..video import frames", "track may not use video"),
        ("runtime/video/a.py", "from ..match.matches import Match", "video may not use match"),
        ("runtime/bundle/a.py", "from ..session import Session", "bundle may not use session"),
        ("runtime/backends/a.py", "from .. import session", "backends may not use session"),
        ("runtime/patches/a.py", "from ..match.placing import place", "may not use match"),
        ("runtime/images.py", "from .bundle.folder import Bundle", "images may not use bundle"),
        ("runtime/session.py", "from .match.matcher import Matcher", "may not use match"),
        ("runtime/match/a.py", "from .. import Matcher", "from runtime/__init__.py"),
        ("runtime/helpers.py", "from .errors import InputError", "no room"),
        ("runtime/match/a.py", "if TYPE_CHECKING:\n    from ..track import tracker", "use track"),
        ("runtime/bundle/a.py", "from ..backends.graph import Graph", "may not use backends"),
        ("runtime/match/a.py", "from ..backends.graph import Graph", ""),
        ("runtime/track/a.py", "from ..session import Session\nfrom . import target", ""),
        ("runtime/align/a.py", "from ..patches.grid import cut_grid\nimport cv2", ""),
        ("runtime/video/a.py", "from ..track.tracker import Tracker\nfrom ..boxes import Box", ""),
        ("runtime/__init__.py", "from .track.tracker import Tracker", ""),
        ("tools/evaluation/match/a.py", "from ...commands.check import check", "only cli.py"),
        ("tools/train/a.py", "def f():\n    from ..commands import train_align", "only cli.py"),
        ("tools/console.py", "from .commands.check import check", "only cli.py"),
        ("tools/commands/a.py", "from . import check\nfrom ..evaluation import metrics", ""),
        ("tools/commands/a.py", "from ..commands.eval_match import app", ""),
        ("tools/cli.py", "from .commands.check import check", ""),
        ("tools/lab/a.py", "from ...runtime.match.matcher import Matcher", ""),
    ],
)
def test_the_check_of_rooms_sees(module, source, complaint):
    problems = broken_rooms(module, source)
    assert bool(problems) == bool(complaint), problems
    assert complaint in "".join(problems)


def test_private_names_stay_where_they_are():
    problems = [each for module in MODULES for each in private_imports(module, source_of(module))]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("source", "private"),
    [
        ("from .placing import _score", True),
        ("def f():\n    from ..match._inner import score", True),
        ("from ..version import __version__", False),
        ("from __future__ import annotations\nimport _thread", False),
    ],
)
def test_the_check_of_private_names_sees(source, private):
    assert bool(private_imports("runtime/match/a.py", source)) == private


@pytest.mark.parametrize("at_import", [True, False], ids=["at-import", "at-call"])
def test_modules_import_each_other_in_no_circle(at_import):
    graph = {module: imported_modules(module, at_import=at_import) for module in MODULES}
    assert sum(map(len, graph.values())) > len(MODULES)
    found = circles(graph)
    assert not found


def test_rooms_import_each_other_in_no_circle():
    graph = defaultdict[str, set[str]](set)
    for module in MODULES:
        room = room_path(module)
        graph[room] |= {room_path(other) for other in imported_modules(module)} - {room}
    assert {"runtime/match", "tools/commands", "tools/cli"} <= set(graph)
    found = circles(graph)
    assert not found


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}, [["a", "b"], ["c", "d"]]),
        ({"a": {"a"}}, [["a"]]),
    ],
)
def test_the_check_of_circles_sees(graph, found):
    assert circles(graph) == found


def test_imports_are_followed_to_their_files():
    assert imported_modules("runtime/bundle/judge_network.py") == {
        "runtime/errors.py",
        "runtime/kinds.py",
    }
    assert imported_modules("tools/cli.py") > {"tools/commands/match.py"}
    everything = imported_modules("runtime/__init__.py")
    at_once = imported_modules("runtime/__init__.py", at_import=True)
    assert at_once == {"runtime/errors.py", "runtime/version.py"}
    assert {"runtime/track/tracker.py", "runtime/video/writer.py"} < everything


def test_no_two_modules_have_one_name():
    names = [(PurePosixPath(module).name, module) for module in MODULES]
    assert not said_twice(named for named in names if not named[0].startswith("__"))


def test_no_two_public_classes_have_one_name():
    classes = [(name, module) for module in MODULES for name in public_classes(module)]
    assert ("Matcher", "runtime/match/matcher.py") in classes
    assert not said_twice(classes)


def test_the_check_of_names_sees_repetition():
    homes = [("loop", "a/loop.py"), ("loop", "b/loop.py"), ("fit", "a/fit.py")]
    assert said_twice(homes) == ["loop: a/loop.py, b/loop.py"]


def test_names_say_what_a_thing_is():
    modules = [PurePosixPath(module).stem for module in MODULES]
    names = [*modules, *(name for module in MODULES for name in public_classes(module))]
    vague = sorted(name for name in names if vague_words(name))
    assert not vague


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cases", {"case"}),
        ("MatchResult", {"result"}),
        ("draw_utils", {"util"}),
        ("SetupHelper", {"setup", "helper"}),
        ("showcase", set()),
        ("cascade", set()),
    ],
)
def test_the_check_of_vague_names_sees(name, words):
    assert vague_words(name) == words


def test_tests_mirror_the_rooms():
    folders = {path.parent.relative_to(ROOT / "tests") for path in ROOT.glob("tests/*/**/*.py")}
    rooms = [folder for folder in folders if folder.parts[0] not in ("house", "support", "fuzz")]
    assert {folder.parts[0] for folder in rooms} == set(FOLDERS)
    assert not [folder for folder in rooms if not (ROOT / folder / "__init__.py").is_file()]
