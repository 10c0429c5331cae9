export type { Orientation } from './exif-orientation.js';
export { type ImageType, type ProbedImage, type ProbeLimits, probeImage } from './probe-image.js';
export { openTileCutter, TileCutter, type TileCutterOptions } from './tile-cutter.js';
