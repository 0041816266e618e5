"""Backbones: shapes, taps, preprocessing, resizing, folding."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from qatm.model import BACKBONES, Backbone, build_backbone, fold_batch_norm

FOLD_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def backbones() -> dict[str, Backbone]:
    return {name: build_backbone(name, "random") for name in BACKBONES}


def image(height: int, width: int, batch: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, height, width), generator=generator).float()


@pytest.mark.parametrize(
    ("name", "align", "channels"),
    [
        ("efficientnet-lite0", 16, 24 + 40 + 112),
        ("vgg19", 4, 64 + 256),
        ("mobilenet-v2", 16, 24 + 32 + 96),
    ],
)
@pytest.mark.parametrize("size", [(16, 16), (48, 80), (96, 64)])
def test_output_has_the_shape_the_spec_says(
    backbones: dict[str, Backbone], name: str, align: int, channels: int, size: tuple[int, int]
) -> None:
    backbone = backbones[name]
    spec = backbone.spec
    assert (spec.stride, spec.align, spec.channels) == (4, align, channels)
    with torch.no_grad():
        features = backbone(image(*size, batch=2))
    assert features.shape == (2, channels, size[0] // 4, size[1] // 4)
    assert torch.isfinite(features).all()
    assert features.std() > 0


@pytest.mark.parametrize("name", list(BACKBONES))
def test_every_tap_has_the_stride_and_channels_of_the_table(name: str) -> None:
    spec = BACKBONES[name].with_taps([tap.layer for tap in BACKBONES[name].available])
    backbone = build_backbone(name, "random", spec.taps)
    assert backbone.spec.taps == spec.taps
    with torch.no_grad():
        outputs = backbone.network(image(64, 32))
    assert len(outputs) == len(spec.tapped)
    for tap, output in zip(spec.tapped, outputs, strict=True):
        assert output.shape == (1, tap.channels, 64 // tap.stride, 32 // tap.stride)


@pytest.mark.parametrize(
    ("name", "taps", "stride", "align"),
    [
        ("efficientnet-lite0", (0, 2, 4, 10), 4, 16),
        ("efficientnet-lite0", (10,), 16, 16),
        ("efficientnet-lite0", (4, 15), 8, 32),
        ("mobilenet-v2", (1, 3), 4, 4),
        ("mobilenet-v2", (0,), 4, 4),
        ("vgg19", ("conv1_2",), 4, 4),
        ("vgg19", ("conv2_2", "conv3_4", "conv4_1"), 4, 8),
    ],
)
def test_other_taps(name: str, taps: tuple[str | int, ...], stride: int, align: int) -> None:
    backbone = build_backbone(name, "random", taps)
    assert (backbone.spec.stride, backbone.spec.align) == (stride, align)
    with torch.no_grad():
        features = backbone(image(2 * align, 3 * align))
    cells = (2 * align // stride, 3 * align // stride)
    assert features.shape == (1, backbone.spec.channels, *cells)


@pytest.mark.parametrize(
    ("name", "taps", "unbuilt"),
    [
        ("efficientnet-lite0", (2,), "network.blocks.3."),
        ("vgg19", ("conv3_4",), "network.convs.conv4_1."),
        ("mobilenet-v2", (3,), "network.features.4."),
    ],
)
def test_layers_past_the_deepest_tap_are_not_built(
    name: str, taps: tuple[str | int, ...], unbuilt: str
) -> None:
    keys = build_backbone(name, "random", taps).state_dict()
    assert keys
    assert not [key for key in keys if key.startswith(unbuilt)]


def test_taps_come_in_the_order_of_depth_and_may_be_text() -> None:
    spec = BACKBONES["efficientnet-lite0"].with_taps(["10", 2])
    assert spec.taps == (2, 10)
    assert BACKBONES["vgg19"].with_taps(["conv3_4", "conv1_2"]).taps == ("conv1_2", "conv3_4")


@pytest.mark.parametrize("taps", [[], [99], ["conv1_2"], [2, 2], [-1]])
def test_unusable_taps_list_the_usable_ones(taps: list[str | int]) -> None:
    with pytest.raises(ValueError, match=r"choose from 0, 1, .*, 15$"):
        build_backbone("efficientnet-lite0", "random", taps)


def test_unknown_backbone_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"resnet50.*efficientnet-lite0, vgg19, mobilenet-v2"):
        build_backbone("resnet50")


@pytest.mark.parametrize("size", [(40, 64), (64, 8), (15, 16), (0, 16)])
def test_sizes_that_the_strides_do_not_divide_are_refused(
    backbones: dict[str, Backbone], size: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match=f"{size[1]}x{size[0]} .*multiples of 16"):
        backbones["efficientnet-lite0"](torch.zeros(1, 3, *size))


@pytest.mark.parametrize("name", list(BACKBONES))
def test_preprocessing_is_that_of_opencv_pixels(name: str, backbones: dict[str, Backbone]) -> None:
    blue, green, red = 10.0, 100.0, 250.0
    pixels = torch.tensor([blue, green, red]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    expected = {
        "efficientnet-lite0": [(value - 127) / 128 for value in (red, green, blue)],
        "vgg19": [blue - 103.939, green - 116.779, red - 123.68],
        "mobilenet-v2": [
            (red / 255 - 0.485) / 0.229,
            (green / 255 - 0.456) / 0.224,
            (blue / 255 - 0.406) / 0.225,
        ],
    }[name]
    prepared = backbones[name].preprocess(pixels)
    assert prepared.shape == pixels.shape
    torch.testing.assert_close(prepared[0, :, 2, 1], torch.tensor(expected))


class Given(nn.Module):
    """A network that returns given tensors."""

    def __init__(self, *outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        return [output.expand(x.shape[0], -1, -1, -1) for output in self.outputs]


def test_finer_taps_are_averaged_over_each_cell() -> None:
    spec = BACKBONES["vgg19"].with_taps(["conv1_2", "conv3_4"])
    fine, even = torch.rand(1, 64, 8, 12), torch.rand(1, 256, 2, 3)
    features = Backbone(spec, Given(fine, even))(image(8, 12))
    expected = fine.view(1, 64, 2, 4, 3, 4).mean(dim=(3, 5))
    torch.testing.assert_close(features[:, :64], expected)
    torch.testing.assert_close(features[:, 64:], even)


def test_coarser_taps_keep_their_cell_centres() -> None:
    """A linear ramp sampled at cell centres stays that ramp when it is interpolated."""
    spec = BACKBONES["efficientnet-lite0"].with_taps([2, 10])
    centres_4, centres_16 = (torch.arange(n) * s + s / 2 for n, s in ((16, 4.0), (4, 16.0)))
    fine = torch.zeros(1, 24, 16, 16)
    coarse = centres_16.expand(1, 112, 4, 4)
    features = Backbone(spec, Given(fine, coarse))(image(64, 64))
    inner = slice(2, 14)  # past the last coarse centre the border value is repeated
    torch.testing.assert_close(features[0, 24, 7, inner], centres_4[inner])


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("efficientnet-lite0", [2, 4, 10]),
        ("efficientnet-lite0", [4, 10]),
        ("vgg19", ["conv1_2", "conv3_4"]),
        ("mobilenet-v2", None),
    ],
)
@pytest.mark.parametrize("size", [(32, 32), (48, 80)])
@pytest.mark.parametrize("corners", [False, True])
def test_the_coarse_map_is_the_means_of_the_joined_one(
    name: str, layers: list[str | int] | None, size: tuple[int, int], corners: bool
) -> None:
    backbone = build_backbone(name, "random", layers)
    backbone.spec = replace(backbone.spec, align_corners=corners)
    picture = image(*size, batch=2)
    with torch.no_grad():
        taps = backbone.taps(picture)
        joined = backbone.joined(taps)
        torch.testing.assert_close(joined, backbone(picture))
        expected = nn.functional.avg_pool2d(joined, 2)
        torch.testing.assert_close(backbone.coarse(taps), expected, rtol=1e-4, atol=1e-5)
    for tap, found in zip(backbone.spec.tapped, taps, strict=True):
        step = max(tap.stride, backbone.spec.stride)
        assert found.shape == (2, tap.channels, size[0] // step, size[1] // step)


@pytest.mark.parametrize("name", list(BACKBONES))
def test_sparing_memory_gives_the_same_features_and_can_be_undone(name: str) -> None:
    backbone = build_backbone(name, "random")
    with_statistics(backbone)
    fold_batch_norm(backbone)
    picture = image(48, 64)
    with torch.no_grad():
        expected = backbone(picture)
        found = backbone.spare_memory(wanted=True)(picture)
        assert backbone.spare_memory(wanted=True) is backbone, "asked for twice"
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        assert torch.equal(backbone.spare_memory(wanted=False)(picture), expected)


def test_maps_shift_with_the_image_by_whole_cells() -> None:
    backbone = build_backbone("efficientnet-lite0", "random", [2, 4])
    wide = image(32, 176)
    with torch.no_grad():
        left, right = backbone(wide[..., :160]), backbone(wide[..., 16:])
    reach = 12  # cells that see the border
    torch.testing.assert_close(
        left[..., reach + 4 : -reach], right[..., reach : -reach - 4], atol=1e-4, rtol=1e-4
    )


def test_random_weights_follow_the_seed_and_leave_torch_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (
        build_backbone("efficientnet-lite0", "random", [2], seed=seed) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.rand(3), expected)
    picture = image(32, 32)
    with torch.no_grad():
        assert torch.equal(one(picture), same(picture))
        assert not torch.allclose(one(picture), other(picture))


def test_spec_is_written_as_plain_json() -> None:
    for spec in BACKBONES.values():
        facts = spec.as_dict()
        assert json.loads(json.dumps(facts)) == facts
    facts = BACKBONES["efficientnet-lite0"].as_dict()
    assert facts["tap_strides"] == [4, 8, 16]
    assert facts["preprocessing"]["order"] == "RGB"


def with_statistics(module: nn.Module) -> nn.Module:
    """Give every batch normalisation statistics that are not those of the identity."""
    generator = torch.Generator().manual_seed(3)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low, high in (
                (norm.running_mean, -0.2, 0.2),
                (norm.running_var, 0.5, 2.0),
                (norm.weight.data, 0.7, 1.3),
                (norm.bias.data, -0.3, 0.3),
            ):
                assert tensor is not None
                tensor.uniform_(low, high, generator=generator)
    return module


@pytest.mark.parametrize("name", ["efficientnet-lite0", "mobilenet-v2"])
@pytest.mark.parametrize("size", [(32, 48), (64, 64)])
def test_folding_keeps_the_numbers(name: str, size: tuple[int, int]) -> None:
    backbone = with_statistics(build_backbone(name, "random"))
    folded = copy.deepcopy(backbone)
    assert fold_batch_norm(folded) is folded
    assert any(isinstance(part, nn.BatchNorm2d) for part in backbone.modules())
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.no_grad():
        expected, result = backbone(image(*size)), folded(image(*size))
    scale = max(1.0, expected.abs().max().item())
    assert (result - expected).abs().max().item() <= FOLD_TOLERANCE * scale


def test_folding_in_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="training mode"):
        fold_batch_norm(build_backbone("mobilenet-v2", "random", [1]).train())


def test_gradients_reach_the_image(backbones: dict[str, Backbone]) -> None:
    picture = image(32, 32).requires_grad_()
    backbones["efficientnet-lite0"](picture).sum().backward()
    assert picture.grad is not None
    assert picture.grad.abs().sum() > 0


def test_backbone_traces_with_dynamic_sizes() -> None:
    backbone = build_backbone("efficientnet-lite0", "random", [0, 3])
    align = backbone.spec.align
    height, width = (torch.export.Dim(axis, min=2, max=64) for axis in ("rows", "columns"))
    program = torch.export.export(
        backbone,
        (image(4 * align, 6 * align),),
        dynamic_shapes=({2: align * height, 3: align * width},),
    )
    other = image(5 * align, 3 * align)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(other), backbone(other), atol=1e-4, rtol=1e-4)
