// Packs a folder as an image archive (OCI layout, one layer), as `ctr images import` and `docker load` take it, without
// an engine or a registry: `node deploy/image/pack.mjs NAME FOLDER FILE`.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

const media = 'application/vnd.oci.image';

/**
 * @param name   what the image is called, with a tag
 * @param folder its file system; owners and times are not kept, so that equal files give an equal digest
 * @param file   the archive to write
 * @param run    `Entrypoint`, `User`, `WorkingDir`, `Env` as the OCI image configuration has them
 * @returns digest of the image and bytes of its layer
 */
export async function packImage({ name, folder, file, run }) {
  const scratch = mkdtempSync(join(dirname(resolve(file)), '.pack-'));
  try {
    const blobs = join(scratch, 'blobs/sha256');
    mkdirSync(blobs, { recursive: true });
    const put = (value) => putBlob(blobs, value);
    const layer = await putLayer(blobs, folder);
    const config = put({
      architecture: { x64: 'amd64' }[process.arch] ?? process.arch,
      os: 'linux',
      config: run,
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest = put({
      schemaVersion: 2,
      mediaType: `${media}.manifest.v1+json`,
      config: { mediaType: `${media}.config.v1+json`, ...config },
      layers: [{ mediaType: `${media}.layer.v1.tar`, ...layer }],
    });
    const annotations = {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.split(':').at(-1),
    };
    const manifests = [{ mediaType: `${media}.manifest.v1+json`, ...manifest, annotations }];
    writeFileSync(join(scratch, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    writeFileSync(join(scratch, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
    execFileSync('tar', ['-C', scratch, '-cf', file, 'oci-layout', 'index.json', 'blobs']);
    return { digest: manifest.digest, layerBytes: layer.size };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function putBlob(blobs, value) {
  const bytes = Buffer.from(JSON.stringify(value));
  const hash = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hash), bytes);
  return { digest: `sha256:${hash}`, size: bytes.length };
}

async function putLayer(blobs, folder) {
  const file = join(blobs, 'layer');
  const plain = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--mode=go+rX'];
  execFileSync('tar', [...plain, '-C', folder, '-cf', file, '.']);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  const digest = hash.digest('hex');
  const { size } = statSync(file);
  renameSync(file, join(blobs, digest));
  return { digest: `sha256:${digest}`, size };
}

if (process.argv[1] !== undefined && basename(process.argv[1]) === 'pack.mjs') {
  const [name, folder, file] = process.argv.slice(2);
  if (file === undefined) throw new Error('usage: node deploy/image/pack.mjs NAME FOLDER FILE');
  const { serviceImage } = await import('./service-image.mjs');
  const { digest, layerBytes } = await packImage({ name, folder, file, run: serviceImage });
  console.log(`${name} ${digest} ${(layerBytes / 1e6).toFixed(1)} MB`);
}
