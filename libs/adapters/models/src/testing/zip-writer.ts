import { crc32, deflateRawSync } from 'node:zlib';

/** A ZIP file with these entries; the ones named in `stored` are not packed. */
export function zipOf(entries: Readonly<Record<string, Uint8Array>>, stored: readonly string[] = []): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(entries)) {
    const method = stored.includes(name) ? 0 : 8;
    const packed = method === 0 ? Buffer.from(bytes) : deflateRawSync(bytes);
    const sizes = Buffer.alloc(16);
    sizes.writeUInt32LE(crc32(bytes), 0);
    sizes.writeUInt32LE(packed.length, 4);
    sizes.writeUInt32LE(bytes.length, 8);
    sizes.writeUInt16LE(Buffer.byteLength(name), 12);
    const head = Buffer.from([20, 0, 0, 8, method, 0, 0, 0, 0x21, 0]);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), head, sizes, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), head, sizes, tail, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

/** A wheel that pip takes. */
export function wheelOf(name: string, entries: Readonly<Record<string, Uint8Array>>): Buffer {
  const folder = `${name.replaceAll('-', '_')}-1.0.0.dist-info`;
  const text = (lines: string) => new TextEncoder().encode(lines);
  return zipOf({
    ...entries,
    [`${folder}/METADATA`]: text(`Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0.0\n`),
    [`${folder}/WHEEL`]: text('Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n'),
    [`${folder}/RECORD`]: text(''),
  });
}
