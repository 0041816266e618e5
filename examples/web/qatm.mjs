// Finds and follows an object in a browser, with a bundle's encode.onnx and find.onnx.
//
// The first half can be used in other pages; the second half, from "The page", is this one's.

const LIBRARY = "./node_modules/onnxruntime-web/dist/";
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };
const LONGEST = 1600; // larger pictures are reduced to this

/** Pixels of an image, video or canvas: {width, height, data, canvas}; data is (H, W, 3) uint8, BGR. */
export function pixelsOf(source, width, height) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from + 2];
    data[to + 1] = rgba[from + 1];
    data[to + 2] = rgba[from];
  }
  return { width, height, data, canvas };
}

/** A part of a picture, region {x, y, w, h} in whole pixels. */
export function cut(picture, region) {
  const data = new Uint8Array(region.w * region.h * 3);
  for (let row = 0; row < region.h; row++) {
    const start = ((region.y + row) * picture.width + region.x) * 3;
    data.set(picture.data.subarray(start, start + region.w * 3), row * region.w * 3);
  }
  return { width: region.w, height: region.h, data };
}

/** What Matcher does with one template; boxes are {x, y, w, h} in pixels from the top left. */
export class Finder {
  constructor(ort, encoder, searcher, device) {
    Object.assign(this, { ort, encoder, searcher, device });
  }

  /** Opens a bundle's folder on "wasm" (any processor) or "webgpu". */
  static async open(folder, device = "wasm") {
    const ort = await import(new URL(LIBRARY + MODULES[device], import.meta.url).href);
    const executionProviders = device === "wasm" ? ["wasm"] : [device, "wasm"];
    // More optimisation takes longer to open and gains nothing for these graphs.
    const options = { executionProviders, graphOptimizationLevel: "basic" };
    const [encoder, searcher] = [await fetched(folder, "encode.onnx"), await fetched(folder, "find.onnx")];
    const opened = (model) => ort.InferenceSession.create(model, options);
    return new Finder(ort, await opened(encoder), await opened(searcher), device);
  }

  /** The object in a box of a picture, as find() takes it. */
  async encode(picture, { x, y, w, h }) {
    const box = new this.ort.Tensor("float32", Float32Array.of(x, y, w, h), [4]);
    return this.encoder.run({ image: this.tensorOf(picture), box });
  }

  tensorOf({ width, height, data }) {
    return new this.ort.Tensor("uint8", data, [height, width, 3]);
  }

  /** The best place in a picture, or in a region of it: {box, score, found, scale, ms}. */
  async find(picture, template, region = null) {
    const [width, height] = template.numbers.data;
    const part = region ? { width: region.w, height: region.h } : picture;
    if (part.width < width || part.height < height) throw new Error("The picture is smaller than the object.");
    const started = performance.now();
    const image = this.tensorOf(region ? cut(picture, region) : picture);
    const said = await this.searcher.run({ image, ...template });
    const [x, y, w, h] = said.box.data;
    return {
      box: { x: x + (region?.x ?? 0), y: y + (region?.y ?? 0), w, h },
      score: said.score.data[0],
      found: Boolean(said.found.data[0]),
      scale: said.scale.data[0],
      ms: performance.now() - started,
    };
  }

  async close() {
    await this.encoder.release();
    await this.searcher.release();
  }
}

async function fetched(folder, name) {
  const answer = await fetch(new URL(name, folder)).catch(() => null);
  if (!answer?.ok) throw new Error(`There is no ${new URL(name, folder).pathname}: qatm-export --compact --find makes one.`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** Looks around where the object was, and in the whole frame where it is not found. */
export class Follower {
  constructor(finder, template, box) {
    Object.assign(this, { finder, template, box, seen: true });
  }

  async next(picture) {
    const [width, height] = this.template.numbers.data;
    const near = around(this.box, picture);
    const region = this.seen && near.w >= width && near.h >= height ? near : null;
    let place = await this.finder.find(picture, this.template, region);
    if (region && !place.found) {
      const { ms } = place;
      place = await this.finder.find(picture, this.template);
      place.ms += ms;
    }
    this.seen = place.found;
    if (place.found) this.box = place.box;
    return place;
  }
}

/** The part of a picture around a box, in whole pixels: as much again on each side as the longer one has. */
export function around({ x, y, w, h }, picture) {
  const reach = Math.max(w, h);
  const left = Math.max(0, Math.floor(x - reach));
  const top = Math.max(0, Math.floor(y - reach));
  const right = Math.min(picture.width, Math.ceil(x + w + reach));
  const bottom = Math.min(picture.height, Math.ceil(y + h + reach));
  return { x: left, y: top, w: right - left, h: bottom - top };
}

/** Opens on WebGPU, and checks that it finds what another finder finds in a picture. */
export async function openChecked(folder, plain, picture, box) {
  const quick = await Finder.open(folder, "webgpu");
  const places = [];
  for (const finder of [plain, quick]) {
    const template = await finder.encode(picture, box);
    await finder.find(picture, template); // the first run of a size prepares it
    places.push(await finder.find(picture, template));
  }
  const [one, other] = places;
  const apart = Math.max(...["x", "y", "w", "h"].map((side) => Math.abs(one.box[side] - other.box[side])));
  if (apart > 1 || one.found !== other.found) {
    await quick.close();
    throw new Error(`WebGPU finds another place here (${apart.toFixed(1)} px apart), so it is not used.`);
  }
  return { finder: quick, ms: places.map((place) => place.ms) };
}

// The page ------------------------------------------------------------------------------------

const part = (id) => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const bundle = new URL(`${asked.get("bundle") ?? "bundle"}/`, location.href);
const context = part("view").getContext("2d");
const moving = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
const page = {
  ...{ plain: null, quick: null, finder: null }, // opened when first needed
  ...{ picture: null, template: null, drag: null },
  ...{ waiting: false, held: false, live: false, turn: 0 },
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

function hint(text) {
  part("hint").textContent = text;
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

function stop() {
  page.turn += 1; // what still runs belongs to an earlier turn, and ends
  moving.pause();
  moving.srcObject?.getTracks().forEach((track) => track.stop());
  moving.srcObject = null;
  page.live = false;
}

function ready(draw) {
  part("again").disabled = part("search").disabled = draw;
  part("other").setAttribute("aria-disabled", String(draw));
}

async function choosePicture(file) {
  stop();
  const bitmap = await createImageBitmap(file);
  show(taken(bitmap, bitmap.width, bitmap.height));
  waitForBox();
}

async function chooseMoving(source) {
  stop();
  if (source instanceof MediaStream) moving.srcObject = source;
  else moving.src = URL.createObjectURL(source);
  page.live = true;
  await new Promise((done, failed) => {
    moving.onloadeddata = done;
    moving.onerror = () => failed(new Error("This browser cannot play that video."));
  });
  if (moving.srcObject) await moving.play();
  await peek();
}

/** Shows a video's first frame, or what the camera sees until a press of the mouse holds it. */
async function peek() {
  const turn = page.turn;
  waitForBox();
  do {
    show(frameTaken());
    await new Promise((done) => requestAnimationFrame(done));
  } while (moving.srcObject && turn === page.turn && !page.held);
}

function waitForBox() {
  Object.assign(page, { waiting: true, held: false, template: null });
  ready(true);
  hint("");
  say("Draw a box around the object.");
}

async function boxDrawn(box) {
  const picture = page.picture;
  const turn = ++page.turn;
  page.waiting = false;
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
  stop();
  const turn = page.turn;
  for (const file of files) {
    const bitmap = await createImageBitmap(file);
    show(taken(bitmap, bitmap.width, bitmap.height));
    const place = await page.finder.find(page.picture, page.template);
    if (turn !== page.turn) return;
    mark({ ...place, name: file.name });
    if (files.length > 1) await new Promise((done) => setTimeout(done, 1000));
  }
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
  if (!page.picture || !page.waiting) return;
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
part("view").addEventListener("pointerup", (event) => {
  if (!page.drag) return;
  const box = dragged(event);
  context.putImageData(page.drag.under, 0, 0);
  page.drag = null;
  if (Math.min(box.w, box.h) < 8) return say("The picture is held: draw a box of at least 8 pixels.");
  outline(box, "#ffca28");
  boxDrawn(box).catch((error) => {
    waitForBox();
    page.held = page.live;
    fail(error);
  });
});
part("picture").onchange = ({ target }) => target.files[0] && choosePicture(target.files[0]).catch(fail);
part("video").onchange = ({ target }) => target.files[0] && chooseMoving(target.files[0]).catch(fail);
part("search").onchange = ({ target }) => searchIn([...target.files]).catch(fail);
part("camera").onclick = async () => {
  try {
    await chooseMoving(await navigator.mediaDevices.getUserMedia({ video: true }));
  } catch (error) {
    fail(error);
  }
};
part("again").onclick = () => {
  page.turn += 1;
  if (page.live) {
    moving.pause();
    if (moving.srcObject) moving.play();
    peek().catch(fail);
  } else {
    show(page.picture);
    waitForBox();
  }
};
hint("Choose a picture, a video or the camera.");
const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
part("gpu").parentElement.hidden = !adapter;
