// From the modules of a QR code (ISO/IEC 18004) to its text: format, unmasking, error correction, segments.

// Per error correction level, for the versions 1 to 40: check codewords of a block, and the number of blocks.
const CHECKS = {
  L: [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
  M: [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  Q: [13, 22, 18, 26, 18, 24, 18, 22, 20, 24, 28, 26, 24, 20, 30, 24, 28, 28, 26, 30, 28, 30, 30, 30, 30, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
  H: [17, 28, 22, 16, 22, 28, 26, 26, 24, 28, 24, 28, 22, 24, 24, 30, 28, 28, 26, 28, 30, 24, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30],
};
const BLOCKS = {
  L: [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25],
  M: [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49],
  Q: [1, 1, 2, 2, 4, 4, 6, 6, 8, 8, 8, 10, 12, 16, 12, 17, 16, 18, 21, 20, 23, 23, 25, 27, 29, 34, 34, 35, 38, 40, 43, 45, 48, 51, 53, 56, 59, 62, 65, 68],
  H: [1, 1, 2, 4, 4, 4, 5, 6, 8, 8, 11, 11, 16, 16, 18, 16, 19, 21, 25, 25, 25, 34, 30, 32, 35, 37, 40, 42, 45, 48, 51, 54, 57, 60, 63, 66, 70, 74, 77, 81],
};
const LEVELS = ["M", "L", "H", "Q"];
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (x, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];
const ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

// Powers of 2 in GF(256) with the polynomial 0x11d, and their logarithms.
const EXP = new Uint8Array(512);
const LOG = new Uint8Array(256);
for (let power = 0, value = 1; power < 255; power += 1) {
  EXP[power] = EXP[power + 255] = value;
  LOG[value] = power;
  value = value << 1 ^ (value & 0x80 ? 0x11d : 0);
}
const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);
const inverse = (a) => EXP[255 - LOG[a]];

/** Return the text of a square of modules (`at(x, y)` true for dark), or null when it is no readable code. */
export function decode(size, at) {
  const version = (size - 17) / 4;
  if (!Number.isInteger(version) || version < 1 || version > 40) return null;
  const format = readFormat(size, at);
  if (format === null) return null;
  const codewords = readCodewords(size, version, at, MASKS[format.mask]);
  const data = correct(codewords, CHECKS[format.level][version - 1], BLOCKS[format.level][version - 1]);
  return data === null ? null : readSegments(data, version);
}

function readFormat(size, at) {
  const first = [];
  const second = [];
  for (let i = 0; i < 6; i += 1) first.push(at(8, i));
  first.push(at(8, 7), at(8, 8), at(7, 8));
  for (let i = 9; i < 15; i += 1) first.push(at(14 - i, 8));
  for (let i = 0; i < 8; i += 1) second.push(at(size - 1 - i, 8));
  for (let i = 8; i < 15; i += 1) second.push(at(8, size - 15 + i));
  let best = null;
  for (let data = 0; data < 32; data += 1) {
    const word = formatWord(data);
    for (const bits of [first, second]) {
      const distance = bits.filter((bit, i) => bit !== Boolean((word >> i) & 1)).length;
      if (distance <= 3 && (best === null || distance < best.distance)) best = { distance, data };
    }
  }
  return best === null ? null : { level: LEVELS[best.data >> 3], mask: best.data & 7 };
}

function formatWord(data) {
  let rest = data << 10;
  for (let bit = 14; bit >= 10; bit -= 1) if ((rest >> bit) & 1) rest ^= 0x537 << (bit - 10);
  return (data << 10 | rest) ^ 0x5412;
}

function alignmentCentres(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const centres = [6];
  for (let i = 0; i < count - 1; i += 1) centres.splice(1, 0, version * 4 + 10 - i * step);
  return centres;
}

/** Return a function that says whether a module belongs to a fixed pattern instead of the data. */
function fixedModules(size, version) {
  const centres = alignmentCentres(version);
  const last = centres.length - 1;
  const fixed = new Uint8Array(size * size);
  const fill = (x, y, width, height) => {
    for (let row = y; row < y + height; row += 1) fixed.fill(1, row * size + x, row * size + x + width);
  };
  fill(0, 0, 9, 9);
  fill(size - 8, 0, 8, 9);
  fill(0, size - 8, 9, 8);
  fill(6, 0, 1, size);
  fill(0, 6, size, 1);
  centres.forEach((x, i) => centres.forEach((y, j) => {
    const corner = (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
    if (!corner) fill(x - 2, y - 2, 5, 5);
  }));
  if (version >= 7) {
    fill(size - 11, 0, 3, 6);
    fill(0, size - 11, 6, 3);
  }
  return (x, y) => fixed[y * size + x] === 1;
}

function readCodewords(size, version, at, mask) {
  const isFixed = fixedModules(size, version);
  const codewords = [];
  let value = 0;
  let bits = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    const upward = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1) {
      const y = upward ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (isFixed(x, y)) continue;
        value = value << 1 | Number(at(x, y) !== mask(x, y));
        bits += 1;
        if (bits < 8) continue;
        codewords.push(value);
        value = bits = 0;
      }
    }
  }
  return codewords;
}

/** Undo the interleaving of the blocks and correct each; null when a block has too many errors. */
function correct(codewords, checks, count) {
  const short = Math.floor(codewords.length / count) - checks;
  const longFrom = count - (codewords.length % count);
  const blocks = Array.from({ length: count }, () => []);
  let next = 0;
  for (let i = 0; i <= short; i += 1) {
    for (let block = 0; block < count; block += 1) {
      if (i < short || block >= longFrom) blocks[block].push(codewords[next++]);
    }
  }
  for (let i = 0; i < checks; i += 1) for (const block of blocks) block.push(codewords[next++]);
  const data = [];
  for (const block of blocks) {
    if (!repair(block, checks)) return null;
    data.push(...block.slice(0, block.length - checks));
  }
  return data;
}

const evaluate = (coefficients, x) => coefficients.reduceRight((sum, coefficient) => times(sum, x) ^ coefficient, 0);

function syndromesOf(block, checks) {
  return Array.from({ length: checks }, (_, power) => block.reduce((sum, value) => times(sum, EXP[power]) ^ value, 0));
}

/** Reed-Solomon correction in place (Berlekamp-Massey, Chien, Forney). Returns whether the block is right now. */
function repair(block, checks) {
  const syndromes = syndromesOf(block, checks);
  if (syndromes.every((value) => value === 0)) return true;
  const locator = errorLocator(syndromes);
  const evaluator = Array.from({ length: checks }, (_, i) =>
    locator.slice(0, i + 1).reduce((sum, coefficient, j) => sum ^ times(coefficient, syndromes[i - j]), 0));
  const slope = locator.map((coefficient, i) => (i % 2 ? coefficient : 0)).slice(1);
  let found = 0;
  for (let place = 0; place < block.length; place += 1) {
    const root = inverse(EXP[place]);
    if (evaluate(locator, root) !== 0) continue;
    const divisor = evaluate(slope, root);
    if (divisor === 0) return false;
    block[block.length - 1 - place] ^= times(EXP[place], times(evaluate(evaluator, root), inverse(divisor)));
    found += 1;
  }
  return found === locator.length - 1 && syndromesOf(block, checks).every((value) => value === 0);
}

function errorLocator(syndromes) {
  let locator = [1];
  let previous = [1];
  let errors = 0;
  let gap = 1;
  let scale = 1;
  for (let i = 0; i < syndromes.length; i += 1) {
    let discrepancy = syndromes[i];
    for (let j = 1; j <= errors; j += 1) discrepancy ^= times(locator[j] ?? 0, syndromes[i - j]);
    if (discrepancy === 0) {
      gap += 1;
      continue;
    }
    const before = locator;
    const factor = times(discrepancy, inverse(scale));
    locator = Array.from({ length: Math.max(before.length, previous.length + gap) }, (_, j) =>
      (before[j] ?? 0) ^ times(factor, previous[j - gap] ?? 0));
    if (2 * errors > i) {
      gap += 1;
      continue;
    }
    errors = i + 1 - errors;
    previous = before;
    scale = discrepancy;
    gap = 1;
  }
  while (locator.length > 1 && locator[locator.length - 1] === 0) locator.pop();
  return locator;
}

function readSegments(data, version) {
  let position = 0;
  const left = () => data.length * 8 - position;
  const take = (count) => {
    let value = 0;
    for (let i = 0; i < count; i += 1, position += 1) value = value << 1 | ((data[position >> 3] >> (7 - (position & 7))) & 1);
    return value;
  };
  const width = (small, middle, large) => (version < 10 ? small : version < 27 ? middle : large);
  const bytes = [];
  const write = (text) => bytes.push(...[...text].map((character) => character.charCodeAt(0)));
  while (left() >= 4) {
    const mode = take(4);
    if (mode === 0) break;
    if (mode === 4) {
      for (let count = take(width(8, 16, 16)); count > 0 && left() >= 8; count -= 1) bytes.push(take(8));
    } else if (mode === 2) {
      let count = take(width(9, 11, 13));
      for (; count >= 2; count -= 2) {
        const pair = take(11);
        write(ALPHANUMERIC[Math.floor(pair / 45)] + ALPHANUMERIC[pair % 45]);
      }
      if (count) write(ALPHANUMERIC[take(6)]);
    } else if (mode === 1) {
      let count = take(width(10, 12, 14));
      for (; count >= 3; count -= 3) write(String(take(10)).padStart(3, "0"));
      if (count) write(String(take(count === 2 ? 7 : 4)).padStart(count, "0"));
    } else if (mode === 7) {
      take(8);
    } else {
      return null;
    }
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
