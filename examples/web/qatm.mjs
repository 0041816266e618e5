// Finds and follows an object in a browser, with a bundle's encode.onnx and find.onnx. For any page:
// it touches nothing of the one that imports it. What this folder's page does with it is in page.mjs.

const LIBRARY = "./node_modules/onnxruntime-web/dist/";
const MODULES = { wasm: "ort.wasm.min.mjs", webgpu: "ort.webgpu.min.mjs" };

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
    const library = new URL(LIBRARY + MODULES[device], import.meta.url);
    const ort = await import(library.href).catch(() => {
      throw new Error(`There is no ${library.pathname}: npm install, in the page's folder, brings it.`);
    });
    const executionProviders = device === "wasm" ? ["wasm"] : [device, "wasm"];
    // More optimisation takes longer to open and gains nothing for these graphs.
    const options = { executionProviders, graphOptimizationLevel: "basic" };
    const names = ["encode.onnx", "find.onnx"];
    const models = [await fetched(folder, names[0]), await fetched(folder, names[1])];
    const opened = (number) =>
      ort.InferenceSession.create(models[number], options).catch((error) => {
        throw new Error(`${new URL(names[number], folder).pathname} cannot be opened on ${device}: ${error.message}`);
      });
    return new Finder(ort, await opened(0), await opened(1), device);
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
    if (part.width < width || part.height < height) {
      const sizes = `${part.width} × ${part.height} against ${Math.round(width)} × ${Math.round(height)} px`;
      throw new Error(`The picture is smaller than the object: ${sizes}.`);
    }
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
