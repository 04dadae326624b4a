// Find a QR code in a picture or on the screen and read it. Made for clean pictures such as screenshots, at any
// angle and size; a photograph with strong perspective may stay unread.

import { decode } from "./qr-decode.js";

const MAX_SIDE = 2400;

/** Return the text of the QR code in a picture file. */
export async function readQr(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error("This file is no picture.");
  }
  return readImage(image, image.width, image.height);
}

/** Let the person choose a window or tab, take one look at it, and return the text of the QR code on it. */
export async function readScreen() {
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
  } catch {
    throw new Error("No window was chosen.");
  }
  try {
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = stream;
    await video.play();
    // The first frames after the choice may still show the browser's own dialog.
    let problem;
    for (let look = 0; look < 15; look += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      try {
        return readImage(video, video.videoWidth, video.videoHeight);
      } catch (error) {
        problem = error;
      }
    }
    throw problem;
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

export const canReadScreen = () => typeof navigator.mediaDevices?.getDisplayMedia === "function";

function readImage(source, width, height) {
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height, 1));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  const text = readPixels(context.getImageData(0, 0, canvas.width, canvas.height));
  if (text === null) throw new Error("There is no readable QR code in this picture.");
  return text;
}

/** Return the text of the QR code among pixels ({width, height, data: RGBA}), or null. */
export function readPixels(pixels) {
  for (const inverted of [false, true]) {
    const image = blackAndWhite(pixels, inverted);
    const corners = findCorners(image);
    for (const corner of triples(corners)) {
      const text = readAt(image, corner);
      if (text !== null) return text;
    }
  }
  return null;
}

/** Split light from dark where the two classes of brightness differ most (Otsu's method). */
function blackAndWhite({ width, height, data }, inverted) {
  const grey = new Uint8Array(width * height);
  const histogram = new Float64Array(256);
  for (let i = 0; i < grey.length; i += 1) {
    grey[i] = (data[i * 4] * 299 + data[i * 4 + 1] * 587 + data[i * 4 + 2] * 114) / 1000;
    histogram[grey[i]] += 1;
  }
  const total = histogram.reduce((sum, count, level) => sum + count * level, 0);
  let threshold = 128;
  let best = -1;
  let darkCount = 0;
  let darkSum = 0;
  for (let level = 0; level < 255; level += 1) {
    darkCount += histogram[level];
    darkSum += histogram[level] * level;
    const lightCount = grey.length - darkCount;
    if (darkCount === 0 || lightCount === 0) continue;
    const between = darkCount * lightCount * (darkSum / darkCount - (total - darkSum) / lightCount) ** 2;
    if (between > best) [best, threshold] = [between, level];
  }
  const dark = (x, y) => {
    const column = Math.floor(x);
    const row = Math.floor(y);
    if (column < 0 || row < 0 || column >= width || row >= height) return false;
    return grey[row * width + column] <= threshold !== inverted;
  };
  return { width, height, dark };
}

/** Runs of dark and light in the proportion 1:1:3:1:1 mark the three corner patterns. */
function findCorners(image) {
  const corners = [];
  for (let y = 0; y < image.height; y += 1) {
    let runs = [0, 0, 0, 0, 0];
    let dark = false;
    for (let x = 0; x <= image.width; x += 1) {
      const now = x < image.width && image.dark(x, y);
      if (now === dark && x < image.width) {
        runs[4] += 1;
        continue;
      }
      if (dark && isCorner(runs)) {
        const centre = x - runs[4] - runs[3] - runs[2] / 2;
        confirm(image, corners, centre, y, runs);
      }
      runs = [...runs.slice(1), 1];
      dark = now;
    }
  }
  return corners.filter((corner) => corner.seen >= 2).sort((a, b) => b.seen - a.seen).slice(0, 12);
}

function isCorner(runs) {
  const unit = runs.reduce((sum, run) => sum + run, 0) / 7;
  if (unit < 1 || runs.includes(0)) return false;
  const slack = Math.max(unit * 0.6, 0.8);
  return runs.every((run, i) => Math.abs(run - (i === 2 ? 3 : 1) * unit) < (i === 2 ? 2 : 1) * slack);
}

function confirm(image, corners, x, y, runs) {
  const unit = runs.reduce((sum, run) => sum + run, 0) / 7;
  const up = extents(image, x, y, -1);
  const down = extents(image, x, y + 1, 1);
  if (up === null || down === null) return;
  const column = [up[2], up[1], up[0] + down[0], down[1], down[2]];
  if (!isCorner(column)) return;
  const centreY = y + 1 - up[0] + (up[0] + down[0]) / 2;
  const near = corners.find((corner) => Math.hypot(corner.x - x, corner.y - centreY) < unit * 3);
  if (near === undefined) {
    corners.push({ x, y: centreY, unit, seen: 1 });
    return;
  }
  const weight = near.seen / (near.seen + 1);
  near.x = near.x * weight + x * (1 - weight);
  near.y = near.y * weight + centreY * (1 - weight);
  near.unit = near.unit * weight + unit * (1 - weight);
  near.seen += 1;
}

/** Lengths of the dark, light and dark run that start at a pixel and go up or down; null at the picture's edge. */
function extents(image, x, y, step) {
  const lengths = [0, 0, 0];
  let row = y;
  for (let run = 0; run < 3; run += 1) {
    while (row >= 0 && row < image.height && image.dark(x, row) === (run !== 1)) {
      lengths[run] += 1;
      row += step;
    }
  }
  return lengths.includes(0) ? null : lengths;
}

/** Order candidate corners as top left, top right, bottom left; the most square triples first. */
function triples(corners) {
  const found = [];
  for (let a = 0; a < corners.length; a += 1) {
    for (let b = 0; b < corners.length; b += 1) {
      for (let c = b + 1; c < corners.length; c += 1) {
        if (a === b || a === c) continue;
        const [origin, p, q] = [corners[a], corners[b], corners[c]];
        const units = [origin.unit, p.unit, q.unit];
        if (Math.max(...units) > Math.min(...units) * 1.7) continue;
        const [px, py, qx, qy] = [p.x - origin.x, p.y - origin.y, q.x - origin.x, q.y - origin.y];
        const [pl, ql] = [Math.hypot(px, py), Math.hypot(qx, qy)];
        const skew = Math.abs(px * qx + py * qy) / (pl * ql) + Math.abs(pl - ql) / Math.max(pl, ql);
        if (skew > 0.35) continue;
        // Rows grow downwards: the right arm turns clockwise into the lower one.
        const [right, down] = px * qy - py * qx > 0 ? [p, q] : [q, p];
        found.push({ origin, right, down, skew });
      }
    }
  }
  return found.sort((a, b) => a.skew - b.skew).slice(0, 40);
}

function readAt(image, { origin, right, down }) {
  const unit = (origin.unit + right.unit + down.unit) / 3;
  const arm = (Math.hypot(right.x - origin.x, right.y - origin.y) + Math.hypot(down.x - origin.x, down.y - origin.y)) / 2;
  // A turned code is crossed at an angle, which makes its modules look wider than they are.
  const turn = Math.atan2(right.y - origin.y, right.x - origin.x);
  const trueUnit = unit * Math.max(Math.abs(Math.cos(turn)), Math.abs(Math.sin(turn)));
  const guess = Math.round((arm / trueUnit + 7 - 17) / 4);
  for (const version of [guess, guess - 1, guess + 1, guess - 2, guess + 2, guess + 3, guess - 3]) {
    const size = version * 4 + 17;
    const text = decode(size, (x, y) => {
      const u = (x - 3) / (size - 7);
      const v = (y - 3) / (size - 7);
      return image.dark(
        origin.x + u * (right.x - origin.x) + v * (down.x - origin.x),
        origin.y + u * (right.y - origin.y) + v * (down.y - origin.y),
      );
    });
    if (text) return text;
  }
  return null;
}
