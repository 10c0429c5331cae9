import { crc32, deflateSync } from 'node:zlib';

export type Colour = readonly [red: number, green: number, blue: number];

const background: Colour = [240, 238, 230];

/** A PNG of 64 x 64 pixels with a filled square, as a data URL. No library: what is tested reads it with one. */
export function squarePicture(colour: Colour): string {
  return dataUrlOf(png(64, (x, y) => (x > 16 && x < 44 && y > 18 && y < 46 ? colour : background)));
}

/** The same with a filled circle. */
export function circlePicture(colour: Colour): string {
  return dataUrlOf(png(64, (x, y) => ((x - 32) ** 2 + (y - 32) ** 2 < 15 ** 2 ? colour : background)));
}

/** A square in each quarter, each of its own size and colour: no two tiles of it are alike. */
export function quarteredPicture(colours: readonly [Colour, Colour, Colour, Colour]): string {
  return dataUrlOf(
    png(128, (x, y) => {
      const quarter = 2 * Math.floor(y / 64) + Math.floor(x / 64);
      const reach = 12 + 4 * quarter;
      const inside = Math.abs((x % 64) - 32) < reach && Math.abs((y % 64) - 32) < reach;
      return inside ? (colours[quarter] ?? background) : background;
    }),
  );
}

function dataUrlOf(picture: Buffer): string {
  return `data:image/png;base64,${picture.toString('base64')}`;
}

/** An RGB PNG, https://www.w3.org/TR/png-3/ */
export function png(size: number, colourAt: (x: number, y: number) => Colour): Buffer {
  const rows = Buffer.alloc(size * (1 + 3 * size));
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) rows.set(colourAt(x, y), y * (1 + 3 * size) + 1 + 3 * x);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}
