// Makes the images that the cluster starts with, as archives: `node test/cluster/kit/images.mjs FOLDER BIN`, after
// `npm run build`. What is there and newer than what it is made of stays.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packImage } from '../../../deploy/image/pack.mjs';
import { makeRootfs } from '../../../deploy/image/rootfs.mjs';
import { serviceImage } from '../../../deploy/image/service-image.mjs';

const kit = dirname(fileURLToPath(import.meta.url));
const [images, bin] = process.argv.slice(2);
mkdirSync(images, { recursive: true });
const scratch = mkdtempSync(join(tmpdir(), 'tercet-images-'));
try {
  await small('pause', join(kit, 'pause.c'), (target) => {
    execFileSync('cc', ['-Os', '-static', '-s', '-o', target, join(kit, 'pause.c')]);
  });
  await small('coredns', join(bin, 'coredns'), (target) => copyFileSync(join(bin, 'coredns'), target));
  const folder = join(scratch, 'tercet');
  const bytes = makeRootfs(folder);
  const file = join(images, 'tercet.tar');
  const { digest } = await packImage({ name: 'localhost/tercet:test', folder, file, run: serviceImage });
  console.log(`localhost/tercet:test ${digest} ${(bytes / 1e6).toFixed(1)} MB`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** An image of one static program. */
async function small(name, source, make) {
  const file = join(images, `${name}.tar`);
  if (existsSync(file) && statSync(file).mtimeMs > statSync(source).mtimeMs) return;
  const folder = join(scratch, name);
  mkdirSync(folder);
  make(join(folder, name));
  await packImage({ name: `localhost/${name}:1`, folder, file, run: { Entrypoint: [`/${name}`] } });
}
