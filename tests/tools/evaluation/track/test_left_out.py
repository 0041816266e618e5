from __future__ import annotations

import pytest

from qatm.runtime import InputError
from qatm.tools.baselines.compared_tracker import ComparedTrackerOptions
from qatm.tools.evaluation.track.left_out import check_sources, left_out_records
from qatm.tools.evaluation.track.track_variants import Choice, track_variants

CHOICE = Choice("margin", (0.5, 1.0))


def records(aucs: dict[str, tuple[float, float]]) -> list[dict]:
    """The records of sequences, of both values of the choice and of another tracker."""
    return [
        {"tracker": tracker, "sequence": name, "source": name.split("_")[0], "auc": auc}
        for name, pair in aucs.items()
        for tracker, auc in zip(
            ("qatm margin=0.5", "qatm margin=1", "mil"), (*pair, 1.0), strict=True
        )
    ]


def test_each_source_is_judged_by_what_is_best_elsewhere():
    found = left_out_records(
        CHOICE,
        records({"a_1": (0.9, 0.1), "a_2": (0.9, 0.3), "b_1": (0.2, 0.6), "c_1": (0.3, 0.5)}),
    )
    # Without a, 1 is best (.55 against .25), and it is bad on a; without b or c it is .5.
    assert [(one["left_out"], one.get("chosen")) for one in found] == [
        ("a", {"margin": 1.0}),
        ("b", {"margin": 0.5}),
        ("c", {"margin": 0.5}),
        ("mean of sources", None),
        ("mean", None),
    ]
    assert [one["auc"] for one in found] == [
        0.2,
        0.2,
        0.3,
        pytest.approx(0.7 / 3, abs=1e-4),
        pytest.approx(0.9 / 4),
    ]
    assert [one["sequences"] for one in found] == [2, 1, 1, 4, 4]


def test_the_first_of_equal_values_is_chosen():
    found = left_out_records(CHOICE, records({"a_1": (0.5, 0.5), "b_1": (0.5, 0.5)}))
    assert found[0]["chosen"] == found[1]["chosen"] == {"margin": 0.5}


def test_it_takes_two_sources():
    check_sources(["uav_a", "Bolt"])
    with pytest.raises(InputError, match="all sequences are of otb; give folders"):
        check_sources(["Bolt", "Deer"])


def test_a_choice_is_read():
    assert Choice.read("margin=0.5, 1,0.5") == CHOICE
    assert Choice.read("exclusive=on,off") == Choice("exclusive", (1.0, 0.0))
    for text, words in {
        "margin": "--choose 'margin' is not NAME=VALUE",
        "margin=1": "--choose 'margin=1' has one value",
        "margin=1,x": "--choose 'margin=x': 'x' is neither a number",
        "=1,2": "--choose '=1' is not NAME=VALUE",
    }.items():
        with pytest.raises(InputError) as caught:
            Choice.read(text)
        assert str(caught.value).startswith(words)


def test_ours_is_there_once_for_each_value():
    options = ComparedTrackerOptions(recipe=(("inertia", 0.5), ("margin", 3.0)))
    variants = track_variants(["mil", "qatm"], options, CHOICE)
    assert [(one.label, one.tracker) for one in variants] == [
        ("mil", "mil"),
        ("qatm margin=0.5", "qatm"),
        ("qatm margin=1", "qatm"),
    ]
    assert dict(variants[2].options.recipe) == {"inertia": 0.5, "margin": 1.0}
    with pytest.raises(InputError, match="--choose changes the recipe of qatm"):
        track_variants(["mil"], ComparedTrackerOptions(), CHOICE)
