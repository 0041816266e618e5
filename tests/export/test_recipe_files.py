"""The recipe of each backbone, and what the numbers of its scores were fitted to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from qatm.export import recipe_files
from qatm.export.recipe_files import fits_for, recipe_file, recipes_for
from qatm.model.backbone_specs import BACKBONES
from qatm.runtime import Bundle
from qatm.runtime.bundle.folder import default_align_path
from qatm.runtime.bundle.recipes import Recipes
from qatm.runtime.errors import ExportError


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_a_recipe(name: str) -> None:
    assert recipe_file(name).is_file()
    assert set(json.loads(recipe_file(name).read_text())) == {"recipes", "fits"}
    assert isinstance(recipes_for(name), Recipes)


def test_the_temperature_is_the_one_asked_for() -> None:
    assert recipes_for("vgg19", 28.4).match.alpha == 28.4
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ExportError, match=r"alpha is .*\(usual: 25\)"):
            recipes_for("vgg19", wrong)


def test_fits_belong_to_taps_and_explain_every_fitted_number() -> None:
    recipes = recipes_for("efficientnet-lite0")
    fits = fits_for("efficientnet-lite0:2+4+10")
    assert {fit.task for fit in fits} == {"match", "track", "verify"}
    for fit in fits:
        assert fit.covers(recipes.of(fit.task), "efficientnet-lite0:2+4+10", 25.0)
        assert not fit.covers(recipes.of(fit.task), "efficientnet-lite0:2+4+10", 20.0)
        assert not fit.covers(recipes.of(fit.task), "mobilenet-v2:2+4+10", 25.0)
        assert fit.data
        assert fit.command.startswith("qatm ")
        assert fit.figures
    assert {fit.task for fit in fits_for("efficientnet-lite0:10+13")} == {"align"}
    assert fits_for("efficientnet-lite0:2+4") == ()
    assert fits_for("unheard-of:1") == ()


def test_the_packaged_bundles_have_them() -> None:
    spec, align = Bundle.load().spec, Bundle.load(default_align_path()).spec
    assert spec.recipes == recipes_for(spec.backbone.name)
    assert spec.fits == fits_for(spec.backbone.label)
    # The judge of boxes in the bundle that aligns is an earlier one, fitted to other features.
    assert replace(align.recipes, match=spec.recipes.match) == recipes_for(align.backbone.name)
    assert align.fits == fits_for(align.backbone.label)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1]",
        "[" * 100_000,
        '{"recipes": 5}',
        '{"recipes": {"match": {"alpha": 1e999}}}',
        '{"recipes": {"match": {"alpha": NaN}}}',
        '{"fits": {}}',
        '{"fits": [5]}',
        '{"fits": [{}]}',
    ],
)
def test_a_damaged_file_is_named(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.json"
    path.write_text(text)
    monkeypatch.setattr(recipe_files, "recipe_file", lambda backbone: tmp_path / f"{backbone}.json")
    with pytest.raises(ExportError, match=r"net\.json cannot be read .*; install qatm again"):
        _ = recipes_for("net"), fits_for("net:1+2")
    assert fits_for("other:1") == ()
