"""The page in examples/web, used in a real browser: by mouse, with files and with a camera."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import NAMES, Tab, browser_tab, required
from moving_scene import moving
from shared_folders import shared_folder
from source_tree import ROOT

from qatm.runtime import Box, Bundle, Matcher, box_iou, read_image
from qatm.runtime.bundle.folder import default_bundle_path

pytestmark = pytest.mark.slow

WEB = ROOT / "examples" / "web"
FRAMES = 12
ANSWER = "document.getElementById('answer')"
EYE = Box(120.0, 80.0, 64.0, 64.0)


@pytest.fixture(scope="module")
def page_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with ONNX Runtime beside it, and a bundle for it."""
    npm = required("npm", ["npm"])
    required("Chromium", NAMES)

    def make(folder: Path) -> None:
        for file in WEB.iterdir():
            if file.is_file():
                shutil.copy(file, folder)
        if (WEB / "node_modules").is_dir():  # somebody who uses the page has them
            (folder / "node_modules").symlink_to(WEB / "node_modules")
        else:
            command = [npm, "install", "--no-package-lock", "--silent"]
            subprocess.run(command, cwd=folder, check=True, timeout=600)
        make_bundle(folder / "bundle")

    return shared_folder(tmp_path_factory, "web-page", make)


def make_bundle(folder: Path) -> None:
    """The two graphs that the page opens, of the bundle inside the package."""
    onnx = pytest.importorskip("onnx")
    from qatm.export.find.find_models import find_models

    folder.mkdir()
    for role, model in find_models(default_bundle_path(), Bundle.load().spec).items():
        onnx.save(model, folder / f"{role}.onnx")


@pytest.fixture(scope="module")
def address(page_folder: Path) -> Iterator[str]:
    """Where the page is served."""
    command = [sys.executable, str(page_folder / "serve.py"), "--port", "0"]
    quiet = {"stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **quiet) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def pictures(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat, the cat nearer and darker, and a cup, as PNG: every reader sees the same pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    cat = photographs["chelsea"]
    nearer = np.uint8(cv2.resize(cat[20:250, 30:380], None, fx=1.3, fy=1.3) * 0.6)
    for name, picture in {"cat": cat, "nearer": nearer, "cup": photographs["coffee"]}.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.asarray(picture))
    return folder


@pytest.fixture(scope="module")
def film(photographs: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cat's eye that moves over a motorcycle, there and back, as a camera's raw frames."""
    shots = [image for image, _ in moving(photographs, FRAMES)]
    path = tmp_path_factory.mktemp("film") / "camera.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W320 H240 F4:1 Ip A1:1 C420jpeg\n")
        for image in [*shots, *shots[::-1]]:
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="module")
def tab(address: str, film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser's page, with the film as its camera."""
    options = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}")
    with browser_tab(tmp_path_factory.mktemp("browser") / "profile", options) as opened:
        opened.open(address)
        yield opened


def draw(tab: Tab, box: Box) -> None:
    """Draw a box in the picture with the mouse."""
    left, top, shown, width = tab.run(
        "(() => { const view = document.getElementById('view'); const at ="
        " view.getBoundingClientRect(); return [at.x, at.y, at.width, view.width]; })()"
    )
    k = shown / width
    begin = left + box.x * k, top + box.y * k
    tab.drag(begin, (begin[0] + box.w * k, begin[1] + box.h * k))


def shown(tab: Tab) -> np.ndarray:
    """The picture that the page shows, (H, W, 3) uint8 BGR."""
    address = tab.run("document.getElementById('view').toDataURL()")
    data = np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def answer(tab: Tab, condition: str = "true") -> dict[str, Any]:
    """What the page says, once it says something that fulfils a condition on ``said``."""
    ready = f"(said.dataset.found || said.className === 'error') && ({condition})"
    script = f"(said => {ready} ? {{...said.dataset, text: said.textContent}} : null)({ANSWER})"
    said = tab.wait_for(script)
    assert "found" in said, f"{said['text']}; {tab.told[-5:]}"
    box = Box(*(float(value) for value in said["box"].split(",")))
    return {**said, "found": said["found"] == "true", "box": box, "score": float(said["score"])}


def keep_screenshot(tab: Tab, name: str) -> None:
    """Save what the page looks like, where someone wants to look at it."""
    if folder := os.environ.get("QATM_SCREENSHOTS"):
        tab.screenshot(Path(folder) / f"{name}.png")


def of_python(pictures: Path, name: str) -> Any:
    """What the Matcher says of a picture."""
    images = [read_image(pictures / f"{each}.png") for each in ("cat", name)]
    with Matcher(device="cpu") as matcher:
        matcher.set_template(images[0], EYE)
        return matcher.match(images[1])[0]


def test_an_object_is_found_in_pictures_as_python_finds_it(tab: Tab, pictures: Path) -> None:
    tab.choose("#picture", [pictures / "cat.png"])
    tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
    draw(tab, EYE)
    shown = answer(tab)
    assert shown["found"]
    assert box_iou(shown["box"], EYE) > 0.98
    for name in ("nearer", "cup"):
        tab.choose("#search", [pictures / f"{name}.png"])
        said = answer(tab, f"said.textContent.startsWith('{name}')")
        expected = of_python(pictures, name)
        assert said["found"] == expected.found
        assert said["score"] == pytest.approx(expected.score, abs=0.01)
        if expected.found:
            assert tuple(said["box"]) == pytest.approx(tuple(expected.box), abs=0.5)
        keep_screenshot(tab, name)


def test_an_object_is_followed_in_what_the_camera_sees(
    tab: Tab, photographs: Mapping[str, np.ndarray]
) -> None:
    truths = [box for _, box in moving(photographs, FRAMES)]
    tab.run("document.getElementById('camera').click()")
    tab.wait_for("document.getElementById('view').width === 320")
    tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
    draw(tab, Box(100.0, 100.0, 0.0, 0.0))  # a click holds the picture
    tab.wait_for(f"{ANSWER}.textContent.startsWith('The picture is held')")
    shots = [image for image, _ in moving(photographs, FRAMES)]
    differences = [np.abs(shot - shown(tab).astype(float)).mean() for shot in shots]
    assert min(differences) < 10
    draw(tab, truths[int(np.argmin(differences))])
    seen = []
    for number in range(1, 9):
        said = answer(tab, f"said.dataset.frame >= {number}")
        assert said["found"]
        best = max(truths, key=lambda truth: box_iou(truth, said["box"]))
        assert box_iou(best, said["box"]) > 0.8
        seen.append(best)
    keep_screenshot(tab, "camera")
    assert len(set(seen)) > 2, "it never moved"


def test_an_object_that_goes_and_comes_back_is_followed_through_a_video(
    tab: Tab, photographs: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    gone = range(6, 12)
    shots = moving(photographs, 18, gone)
    film = write_webm(tmp_path / "film.webm", [image for image, _ in shots])
    tab.choose("#video", [film])
    tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
    tab.run(RECORD)
    draw(tab, shots[0][1])
    tab.wait_for("window.recorded.length && window.recorded.at(-1).time > 4.0")
    said = tab.run("window.recorded")
    for each in said:
        number = float(each["time"]) * RATE
        # A frame that is just ending may be taken for the next one.
        near = {min(int(number + off), len(shots) - 1) for off in (-0.5, 0, 0.5)}
        box = Box(*(float(value) for value in each["box"].split(",")))
        if near <= set(gone):
            assert each["found"] == "false"
        elif not near & set(gone):
            assert each["found"] == "true"
            assert max(box_iou(shots[index][1], box) for index in near) > 0.8
    assert {each["found"] for each in said} == {"true", "false"}
    assert said[-1]["found"] == "true"


RATE = 4.0
RECORD = f"""
window.recorded = [];
new MutationObserver(() => {{
  const said = {{...{ANSWER}.dataset}};
  if (said.found && said.frame > 0) window.recorded.push(said);
}}).observe({ANSWER}, {{attributeFilter: ["data-time"]}});
"""


def write_webm(path: Path, images: Sequence[np.ndarray]) -> Path:
    """A video that browsers play, slow enough for a busy machine."""
    height, width = images[0].shape[:2]
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), RATE, (width, height))
    for image in images:
        video.write(image)
    video.release()
    return path


def test_the_first_frame_is_shown_and_an_ended_video_begins_again(
    tab: Tab, address: str, photographs: Mapping[str, np.ndarray], tmp_path: Path
) -> None:
    shots = moving(photographs, 5)
    film = write_webm(tmp_path / "film.webm", [image for image, _ in shots])
    tab.open(address)
    tab.choose("#video", [film])
    for _ in range(2):
        tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
        assert np.abs(shots[0][0] - shown(tab).astype(float)).mean() < 10
        draw(tab, shots[0][1])
        assert answer(tab, "said.textContent.endsWith('the video has ended')")["found"]
        tab.run("document.getElementById('again').click()")


def test_files_that_cannot_be_read_are_named_and_the_others_searched(
    tab: Tab, address: str, pictures: Path, tmp_path: Path
) -> None:
    tab.open(address)
    broken, small = tmp_path / "broken.png", tmp_path / "small.png"
    broken.write_bytes((pictures / "cat.png").read_bytes()[:200])
    cv2.imwrite(str(small), np.zeros((30, 40, 3), np.uint8))
    for place, said in (("#picture", "is no picture"), ("#video", "cannot play broken.png")):
        for _ in range(2):  # the same file can be chosen again
            tab.run(f"{ANSWER}.textContent = ''")
            tab.choose(place, [broken])
            assert said in tab.wait_for(f"{ANSWER}.className === 'error' && {ANSWER}.textContent")
    tab.choose("#picture", [pictures / "cat.png"])
    tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
    draw(tab, EYE)
    answer(tab)
    tab.choose("#search", [broken, small, pictures / "nearer.png", pictures / "cup.png"])
    about = "document.getElementById('about').textContent"
    summary = tab.wait_for(f"{about}.startsWith('Found in') && {about}")
    assert summary == ("Found in 1 of 4 pictures: nearer.png. Not searched: broken.png, small.png.")


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (844, 390)])
def test_everything_fits_on_the_screen(
    tab: Tab, address: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    tall = tmp_path / "tall.png"
    cv2.imwrite(str(tall), np.full((1600, 750, 3), 90, np.uint8))
    width, height = size
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=width < 1000,
    )
    try:
        tab.open(address)
        tab.choose("#picture", [tall])
        tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
        wide, high = tab.run(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        sides = tab.run("(({width, height}) => [width, height])(view.getBoundingClientRect())")
        keep_screenshot(tab, f"tall-{width}")
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")
    assert wide <= width
    assert sides[0] / sides[1] == pytest.approx(750 / 1600, abs=0.01)
    assert sides[1] <= max(256, height - 14 * 16)
    if height > width or height > 700:
        assert high <= height + 2


def test_nothing_leaves_the_machine(tab: Tab, address: str) -> None:
    tab.open(address)
    assert tab.asked
    assert not [each for each in tab.asked if not each.startswith((address, "blob:", "data:"))]
    refused = tab.run(
        "fetch('https://example.org/').then(() => 'sent', (error) => error.constructor.name)"
    )
    assert refused == "TypeError"
    assert any("Content Security Policy" in text for text in tab.told)


def test_a_bundle_that_is_not_there_is_named(tab: Tab, address: str, pictures: Path) -> None:
    tab.open(f"{address}?bundle=nowhere")
    tab.choose("#picture", [pictures / "cat.png"])
    tab.wait_for(f"{ANSWER}.textContent.startsWith('Draw a box')")
    draw(tab, EYE)
    assert "/nowhere/encode.onnx" in tab.wait_for(
        f"{ANSWER}.className === 'error' && {ANSWER}.textContent"
    )


def test_the_finder_can_be_imported_by_any_page(tab: Tab, address: str) -> None:
    tab.open(f"{address}package.json")  # it has nothing of the page
    names = tab.run(f"import('{address}qatm.mjs').then(module => Object.keys(module))")
    assert {"Finder", "Follower", "pixelsOf"} <= set(names)


def test_the_server_says_what_is_missing_and_which_port_is_taken(tmp_path: Path) -> None:
    shutil.copy(WEB / "serve.py", tmp_path)
    command = [sys.executable, str(tmp_path / "serve.py"), "--port"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*command, port], capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 2
    missing, bundle, *_, error = done.stderr.splitlines()
    assert "npm install" in missing
    assert "qatm-export --compact --find bundle" in bundle
    assert f"error: port {port} cannot be used" in error
