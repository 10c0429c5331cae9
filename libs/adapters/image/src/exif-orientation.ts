/** How stored pixels are turned to be shown: 1 as stored … 8, as EXIF numbers them. 5 to 8 swap width and height. */
export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const orientationTag = 0x0112;
const shortType = 3;

/**
 * Orientation of EXIF data; 1 where it has none or cannot be read, because a picture is shown either way.
 * @param exif a TIFF header with its first directory, with or without the `Exif` prefix that some writers repeat
 * @see CIPA DC-008, 2023, "Exchangeable image file format", section 4.6.4
 */
export function exifOrientation(exif: Uint8Array): Orientation {
  const hasPrefix = exif.length > 6 && exif[0] === 0x45 && exif[1] === 0x78 && exif[4] === 0;
  const tiff = hasPrefix ? exif.subarray(6) : exif;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (view.byteLength < 14) return 1;
  const order = view.getUint16(0);
  if (order !== 0x4949 && order !== 0x4d4d) return 1;
  const little = order === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > view.byteLength) return 1;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + i * 12;
    if (at + 12 > view.byteLength) return 1;
    if (view.getUint16(at, little) !== orientationTag) continue;
    if (view.getUint16(at + 2, little) !== shortType) return 1;
    return toOrientation(view.getUint16(at + 8, little));
  }
  return 1;
}

function toOrientation(value: number): Orientation {
  return value >= 1 && value <= 8 ? (value as Orientation) : 1;
}
