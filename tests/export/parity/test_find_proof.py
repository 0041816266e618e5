"""``qatm check`` holds ``find.onnx`` against the matcher."""

from __future__ import annotations

import json
import shutil

import pytest

from qatm.export.parity import find_proof
from qatm.export.parity.find_proof import VIEWS, check_find, compare_find
from qatm.runtime import Bundle, ExportError
from qatm.runtime.bundle.folder import MANIFEST


@pytest.fixture
def few(monkeypatch):
    """Views that take little time: with an object, and without."""
    monkeypatch.setattr(find_proof, "VIEWS", (VIEWS[0], VIEWS[6]))


def test_views_show_what_they_say():
    assert {view.other is None for view in VIEWS} == {True, False}
    assert len({view.name for view in VIEWS}) == len(VIEWS)


@pytest.mark.slow
def test_all_views_agree(find_bundle):
    rows = list(compare_find(Bundle.load(find_bundle)))
    assert all(row.passed for row in rows), [row for row in rows if not row.passed]
    boxes = [row for row in rows if row.what == "box"]
    assert len(boxes) == 2 * sum(view.other is None for view in VIEWS)
    assert {row.artefact for row in rows} == {find_proof.SAVED, find_proof.BOTH}
    assert {row.tolerance for row in boxes} == {0.05}


def test_nothing_is_compared_without_the_file(few):
    assert list(compare_find(Bundle.load(None))) == []


@pytest.mark.usefixtures("few")
def test_another_recipe_is_noticed(find_bundle, tmp_path):
    copied = shutil.copytree(find_bundle, tmp_path / "copied")
    data = json.loads((copied / MANIFEST).read_text())
    data["recipes"]["match"]["threshold"] = 0.9999
    (copied / MANIFEST).write_text(json.dumps(data))
    failed = {row.what for row in compare_find(Bundle.load(copied)) if not row.passed}
    assert "score" in failed
    with pytest.raises(ExportError, match=r"find.onnx, saved template: score differs from the mat"):
        check_find(Bundle.load(copied))
