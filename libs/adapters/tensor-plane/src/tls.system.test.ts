import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ManualClock, Prng } from '@tercet/base';
import { wire } from '@tercet/contracts';
import { CertificateAuthority, type IssuedFiles, needs, RenewedCertificates } from '@tercet/testing';
import { TensorPlane, type TensorTls } from './index.js';

const openssl = needs('openssl');
const never = new AbortController().signal;

if (openssl !== undefined) {
  let folder: string;
  let ours: CertificateAuthority;
  let theirs: CertificateAuthority;
  const closing: (() => unknown)[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tercet-plane-tls-'));
    ours = new CertificateAuthority(openssl, join(folder, 'ours'));
    theirs = new CertificateAuthority(openssl, join(folder, 'theirs'));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const tlsOf = (files: IssuedFiles, more: Partial<TensorTls> = {}): TensorTls => ({
    certificates: new RenewedCertificates(files),
    namesPods: true,
    ...more,
  });
  const certificateOf = (podId: string) => ours.issue(podId, [`${podId}.pods.tercet.svc`, '127.0.0.1']);
  const planeOf = async (tls: TensorTls | undefined) => {
    const plane = await TensorPlane.open({
      listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
      tls,
      generation: 7n,
      clock: new ManualClock(1000),
      leaseTtlMs: 1000,
      quarantineMs: 10_000,
      leasesMax: 10,
      stallMs: 1000,
    });
    closing.push(() => plane.close());
    return plane;
  };

  const bytes = 5_000_001;
  const tensor = new Uint8Array(bytes);
  const prng = new Prng(7);
  for (let at = 0; at < bytes; at += 97) tensor[at] = prng.nextBelow(256);

  const lend = (owner: TensorPlane, reader?: string) =>
    owner.publish({
      shape: [1, bytes],
      dtype: wire.DType.DTYPE_U8,
      layoutDigest: 'd',
      ...(reader === undefined ? {} : { reader }),
      segments: [{ bytes, ready: async () => {}, view: () => tensor }],
      onEnd: () => {},
    });
  const pull = async (reader: TensorPlane, lease: wire.TensorLease) => {
    const out = new Uint8Array(bytes);
    await reader.pull(lease, { layoutDigest: 'd', target: () => out }, never);
    return Buffer.compare(out, tensor) === 0;
  };

  describe('the tensor plane under TLS', () => {
    test('moves tensors, and a lease is read by the pod that it was made for', async () => {
      const owner = await planeOf(tlsOf(certificateOf('prefill-0')));
      const reader = await planeOf(tlsOf(certificateOf('decode-0')));
      expect(await pull(reader, lend(owner, 'decode-0'))).toBe(true);
      expect(await pull(reader, lend(owner, ''))).toBe(true);
      expect(await pull(reader, lend(owner))).toBe(true);
    });

    test('another pod is refused, and the lease stays for the one that it is for', async () => {
      const owner = await planeOf(tlsOf(certificateOf('prefill-0')));
      const [thief, reader] = [
        await planeOf(tlsOf(certificateOf('decode-1'))),
        await planeOf(tlsOf(certificateOf('decode-0'))),
      ];
      const lease = lend(owner, 'decode-0');
      await expect(pull(thief, lease)).rejects.toMatchObject({ code: 'lease_mismatch', details: { field: 'reader' } });
      expect(owner.stats()).toMatchObject({ refused: 1, pullsServed: 0, bytesSent: 0 });
      expect(await pull(reader, lease)).toBe(true);
    });

    test('where certificates name services and not pods, whoever has the lease reads it', async () => {
      const owner = await planeOf(tlsOf(certificateOf('stage'), { namesPods: false }));
      expect(await pull(await planeOf(tlsOf(certificateOf('stage'))), lend(owner, 'decode-0'))).toBe(true);
    });

    test('who has no certificate of ours reads nothing', async () => {
      const owner = await planeOf(tlsOf(certificateOf('prefill-0')));
      const stranger = theirs.issue('decode-0', ['decode-0']);
      const { ca } = certificateOf('prefill-0');
      for (const tls of [undefined, tlsOf(stranger), tlsOf({ ...stranger, ca })]) {
        const reader = await planeOf(tls);
        await expect(pull(reader, lend(owner, 'decode-0'))).rejects.toMatchObject({ code: 'tensor_transfer_failed' });
      }
      expect(owner.stats()).toMatchObject({ readersOpen: 0, pullsServed: 0, bytesSent: 0 });
    });

    test('an owner is not believed without a certificate of its name', async () => {
      const reader = await planeOf(tlsOf(certificateOf('decode-0')));
      for (const files of [theirs.issue('prefill-0', ['127.0.0.1']), ours.issue('x', ['elsewhere'])]) {
        const owner = await planeOf(tlsOf(files));
        await expect(pull(reader, lend(owner))).rejects.toMatchObject({ code: 'tensor_transfer_failed' });
      }
      const named = await planeOf(tlsOf(certificateOf('decode-1'), { serverName: 'elsewhere' }));
      const owner = await planeOf(tlsOf(ours.issue('x', ['elsewhere'])));
      expect(await pull(named, lend(owner))).toBe(true);
    });

    test('renewed certificates are used from the next connection on', async () => {
      const certificates = new RenewedCertificates(theirs.issue('prefill-0', ['127.0.0.1']));
      const owner = await planeOf({ certificates, namesPods: true });
      const reader = await planeOf(tlsOf(certificateOf('decode-0')));
      await expect(pull(reader, lend(owner))).rejects.toMatchObject({ code: 'tensor_transfer_failed' });
      certificates.renew(certificateOf('prefill-0'));
      expect(await pull(reader, lend(owner))).toBe(true);
    });

    test('bytes that are no TLS do no harm', async () => {
      const owner = await planeOf(tlsOf(certificateOf('prefill-0')));
      const { port } = new URL(owner.endpoint.replace('tcp:', 'http:'));
      const socket = connect(Number(port), '127.0.0.1');
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => undefined);
      socket.write('GET / HTTP/1.1\r\n\r\n');
      await closed;
      expect(await pull(await planeOf(tlsOf(certificateOf('decode-0'))), lend(owner))).toBe(true);
    });
  });
}
