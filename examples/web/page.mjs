// The page: a picture, a video or the camera, a box that is drawn, and where the object is.

import { Finder, Follower, openChecked, pixelsOf } from "./qatm.mjs";

const LONGEST = 1600; // larger pictures are reduced to this
const NO_CAMERA = {
  NotFoundError: "There is no camera on this machine.",
  NotAllowedError: "This page may not use the camera: allow it in the browser's settings of this page.",
  NotReadableError: "The camera is in use by another program.",
};

const part = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const bundle = new URL(`${asked.get("bundle") ?? "bundle"}/`, location.href);
const context = part("view").getContext("2d");
const moving = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
const page = {
  ...{ plain: null, quick: null, finder: null }, // opened when first needed
  ...{ picture: null, template: null, drag: null },
  ...{ held: false, live: false, turn: 0 },
};

function say(text, place = null) {
  const answer = part("answer");
  answer.textContent = text;
  answer.className = "";
  for (const name of Object.keys(answer.dataset)) delete answer.dataset[name];
  if (!place) return;
  answer.dataset.found = place.found;
  answer.dataset.score = place.score;
  answer.dataset.box = [place.box.x, place.box.y, place.box.w, place.box.h];
  answer.dataset.frame = place.frame ?? 0;
  answer.dataset.time = place.time ?? 0;
}

function fail(error) {
  say(error.message ?? String(error));
  part("answer").className = "error";
  console.error(error);
}

/** Whether a box can be drawn now; what the picture looks like depends on it. */
const waiting = () => part("stage").dataset.waiting === "true";
const wait = (on) => (part("stage").dataset.waiting = on);

/** A picture in a file. */
async function pictureIn(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  });
  return taken(bitmap, bitmap.width, bitmap.height);
}

function taken(source, width, height) {
  const reduced = Math.min(1, LONGEST / Math.max(width, height));
  return pixelsOf(source, Math.round(width * reduced), Math.round(height * reduced));
}

const frameTaken = () => taken(moving, moving.videoWidth, moving.videoHeight);

function show(picture) {
  const view = part("view");
  const { width, height } = picture;
  if (view.width !== width || view.height !== height) Object.assign(view, { width, height });
  context.drawImage(picture.canvas, 0, 0);
  page.picture = picture;
}

function outline({ x, y, w, h }, colour, text = "") {
  context.lineWidth = Math.max(2, part("view").width / 250);
  context.strokeStyle = context.fillStyle = colour;
  context.strokeRect(x, y, w, h);
  if (!text) return;
  const size = Math.max(13, part("view").width / 40);
  context.font = `${size}px system-ui, sans-serif`;
  const top = y > 1.5 * size ? y - 1.4 * size : y + h;
  context.fillRect(x, top, context.measureText(text).width + size, 1.4 * size);
  context.fillStyle = "#000";
  context.fillText(text, x + size / 2, top + 1.05 * size);
}

function mark(place) {
  outline(place.box, place.found ? "#00e676" : "#9e9e9e", place.found ? place.score.toFixed(2) : "not found");
  const where = `${Math.round(place.box.x)}, ${Math.round(place.box.y)}, ${Math.round(place.box.w)} × ${Math.round(place.box.h)} px`;
  const said = place.found ? `Found at ${where}, score ${place.score.toFixed(2)}` : `Not found; best score ${place.score.toFixed(2)}`;
  say(`${place.name ? `${place.name}: ` : ""}${said} (${Math.round(place.ms)} ms)`, place);
}

/** Ends what runs: it belongs to an earlier turn. Returns the new one's number. */
function stop() {
  page.turn += 1;
  moving.pause();
  moving.srcObject?.getTracks().forEach((track) => track.stop());
  moving.srcObject = null;
  page.live = false;
  return page.turn;
}

function ready(draw) {
  part("again").disabled = part("search").disabled = draw;
  part("other").setAttribute("aria-disabled", String(draw));
}

async function choosePicture(file) {
  const turn = stop();
  const picture = await pictureIn(file);
  if (turn !== page.turn) return;
  show(picture);
  waitForBox();
}

async function chooseVideo(file) {
  const turn = stop();
  URL.revokeObjectURL(moving.src);
  moving.src = URL.createObjectURL(file);
  await loaded(`This browser cannot play ${file.name}; most play MP4 with H.264, and WebM.`);
  await rewind();
  if (turn === page.turn) await peek();
}

async function chooseCamera() {
  const turn = stop();
  if (!navigator.mediaDevices) throw new Error("Browsers give the camera to pages from https or from this machine only.");
  const camera = await navigator.mediaDevices.getUserMedia({ video: true }).catch((error) => {
    throw new Error(NO_CAMERA[error.name] ?? `The camera cannot be used: ${error.message}.`);
  });
  const [track] = camera.getVideoTracks();
  if (turn !== page.turn) return track.stop(); // meanwhile something else was chosen
  track.onended = () => fail(new Error("The camera has stopped."));
  moving.srcObject = camera;
  await loaded("The camera gives no picture.");
  await moving.play();
  if (turn === page.turn) await peek();
}

async function loaded(otherwise) {
  await new Promise((done, failed) => {
    moving.onloadeddata = done;
    moving.onerror = () => failed(new Error(otherwise));
  });
  page.live = true;
}

/** Goes to the first frame of a video. Before that, browsers may have a size but no pixels to give. */
function rewind() {
  return new Promise((done) => {
    moving.onseeked = done;
    moving.currentTime = 0;
  });
}

/** Shows where a video is, or what the camera sees until a press of the mouse holds it. */
async function peek() {
  const turn = page.turn;
  waitForBox();
  do {
    show(frameTaken());
    await new Promise((done) => requestAnimationFrame(done));
  } while (moving.srcObject && turn === page.turn && !page.held);
}

function waitForBox() {
  Object.assign(page, { held: false, template: null });
  wait(true);
  ready(true);
  part("hint").textContent = part("about").textContent = "";
  say(`Draw a box around the object${moving.srcObject ? "; the picture holds still meanwhile" : ""}.`);
}

async function boxDrawn(box) {
  const picture = page.picture;
  const turn = ++page.turn;
  wait(false);
  say("Loading the model…");
  await new Promise((done) => requestAnimationFrame(done));
  page.plain ??= await Finder.open(bundle);
  page.finder = page.plain;
  part("about").textContent = `Runs on wasm, ${crossOriginIsolated ? "several threads" : "one thread"}.`;
  if (part("gpu").checked) {
    page.quick ??= await openChecked(bundle, page.plain, picture, box);
    page.finder = page.quick.finder;
    const [plain, quick] = page.quick.ms.map(Math.round);
    part("about").textContent = `Runs on WebGPU, ${quick} ms a picture; wasm took ${plain} ms.`;
  }
  const template = await page.finder.encode(picture, box);
  if (turn !== page.turn) return;
  page.template = template;
  ready(false);
  if (page.live) return follow(box);
  const place = await page.finder.find(picture, template);
  if (turn === page.turn) mark(place);
}

/**
 * Follows the object until another source or box is chosen. A file waits while a frame is searched; of a
 * camera, frames that come meanwhile are dropped.
 */
async function follow(box) {
  const turn = page.turn;
  const follower = new Follower(page.finder, page.template, box);
  let next = nextFrame();
  await moving.play();
  for (let frame = 1; (await next) && turn === page.turn; frame++) {
    const camera = moving.srcObject;
    if (!camera) moving.pause();
    const picture = frameTaken();
    const time = moving.currentTime;
    next = nextFrame();
    const place = await follower.next(picture);
    if (turn !== page.turn) return;
    show(picture);
    mark({ ...place, frame, time });
    if (!camera && !moving.ended) await moving.play();
  }
  if (turn === page.turn) part("answer").textContent += "; the video has ended";
}

/** Waits for a new frame; false at the end of a video. */
function nextFrame() {
  return new Promise((done) => {
    if (moving.ended) return done(false);
    moving.onended = () => done(false);
    moving.requestVideoFrameCallback(() => done(true));
  });
}

async function searchIn(files) {
  const turn = stop();
  const names = { found: [], unread: [] };
  for (const [number, file] of files.entries()) {
    if (number) await new Promise((done) => setTimeout(done, 1000));
    if (turn !== page.turn) return;
    try {
      const picture = await pictureIn(file);
      const place = await page.finder.find(picture, page.template);
      if (turn !== page.turn) return;
      show(picture);
      mark({ ...place, name: file.name });
      if (place.found) names.found.push(file.name);
    } catch (error) {
      names.unread.push(file.name);
      fail(error);
    }
  }
  if (files.length > 1) part("about").textContent = summary(files.length, names);
}

function summary(count, { found, unread }) {
  const where = found.length ? `: ${found.join(", ")}` : "";
  const not = unread.length ? ` Not searched: ${unread.join(", ")}.` : "";
  return `Found in ${found.length} of ${count} pictures${where}.${not}`;
}

function pointOf(event) {
  const view = part("view");
  const shown = view.getBoundingClientRect();
  const [kx, ky] = [view.width / shown.width, view.height / shown.height];
  return [
    Math.min(view.width, Math.max(0, (event.clientX - shown.left) * kx)),
    Math.min(view.height, Math.max(0, (event.clientY - shown.top) * ky)),
  ];
}

function dragged(event) {
  const [[x0, y0], [x1, y1]] = [page.drag.from, pointOf(event)];
  return { x: Math.min(x0, x1), y: Math.min(y0, y1), w: Math.abs(x1 - x0), h: Math.abs(y1 - y0) };
}

part("view").addEventListener("pointerdown", (event) => {
  if (!waiting()) return;
  part("view").setPointerCapture(event.pointerId);
  const { width, height } = part("view");
  page.held = true;
  page.drag = { from: pointOf(event), under: context.getImageData(0, 0, width, height) };
});
part("view").addEventListener("pointermove", (event) => {
  if (!page.drag) return;
  context.putImageData(page.drag.under, 0, 0);
  outline(dragged(event), "#ffca28");
});
part("view").addEventListener("pointercancel", () => {
  if (page.drag) context.putImageData(page.drag.under, 0, 0);
  page.drag = null;
});
part("view").addEventListener("pointerup", (event) => {
  if (!page.drag) return;
  const box = dragged(event);
  context.putImageData(page.drag.under, 0, 0);
  page.drag = null;
  if (Math.min(box.w, box.h) < 8) {
    part("again").disabled = !moving.srcObject;
    return say(`${moving.srcObject ? "The picture is held: draw" : "Draw"} a box of at least 8 × 8 pixels.`);
  }
  outline(box, "#ffca28");
  boxDrawn(box).catch((error) => {
    waitForBox();
    page.held = page.live;
    fail(error);
  });
});

/** Does something with the files that are chosen; the same ones can be chosen again. */
function onFiles(id, use) {
  part(id).onchange = ({ target }) => {
    const files = [...target.files];
    target.value = "";
    if (files.length) use(files).catch(fail);
  };
}

onFiles("picture", ([file]) => choosePicture(file));
onFiles("video", ([file]) => chooseVideo(file));
onFiles("search", searchIn);
part("camera").onclick = () => chooseCamera().catch(fail);
part("again").onclick = async () => {
  page.turn += 1;
  if (!page.live) {
    show(page.picture);
    return waitForBox();
  }
  moving.pause();
  if (moving.srcObject) moving.play();
  else if (moving.ended) await rewind();
  peek().catch(fail);
};
part("hint").textContent = "Choose a picture, a video or the camera.";
const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
part("gpu").parentElement.hidden = !adapter;
