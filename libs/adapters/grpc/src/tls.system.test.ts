import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { wire } from '@tercet/contracts';
import { CertificateAuthority, type IssuedFiles, needs, RenewedCertificates } from '@tercet/testing';
import { Metadata } from 'nice-grpc-common';
import { GrpcChannel, GrpcServer, type GrpcServerOptions, type GrpcTls, peerNames, service } from './index.js';

const openssl = needs('openssl');

if (openssl !== undefined) {
  let folder: string;
  let ours: CertificateAuthority;
  let theirs: CertificateAuthority;
  const closing: (() => unknown)[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tercet-tls-'));
    ours = new CertificateAuthority(openssl, join(folder, 'ours'));
    theirs = new CertificateAuthority(openssl, join(folder, 'theirs'));
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A server that says who called, behind the certificate `stage.pods`. */
  const serve = async (options: GrpcServerOptions, endpoint = '127.0.0.1:0') => {
    const worker = service(wire.WorkerDefinition, {
      getStatus: async (_, { metadata }) => wire.WorkerStatus.create({ podId: peerNames(metadata).join(' ') }),
      setRole: async () => wire.WorkerStatus.create(),
      drain: async () => wire.WorkerStatus.create(),
      async *watchLoad() {},
    });
    const server = await GrpcServer.open(endpoint, [worker], options);
    closing.push(() => server[Symbol.asyncDispose]());
    return server.endpoint;
  };
  const tlsOf = (files: IssuedFiles, more: Partial<GrpcTls> = {}): GrpcTls => ({
    certificates: new RenewedCertificates(files),
    serverName: 'stage.pods',
    ...more,
  });
  const stage = () => ours.issue('stage', ['stage.pods']);
  const callerOf = async (endpoint: string, tls?: GrpcTls) => {
    const channel = GrpcChannel.open(endpoint, tls);
    closing.push(() => channel.close());
    const metadata = Metadata({ 'tercet-peer': 'forged' });
    const { podId } = await channel.client(wire.WorkerDefinition).getStatus({}, { metadata });
    return podId;
  };

  describe('mutual TLS', () => {
    test('names the caller by its certificate, whatever the caller says', async () => {
      const endpoint = await serve({ tls: tlsOf(stage()) });
      const caller = tlsOf(ours.issue('gateway', ['gateway', 'gateway.tercet.svc']));
      expect(await callerOf(endpoint, caller)).toBe('gateway gateway.tercet.svc');
    });

    test('a caller without a certificate, or with one of another authority, reaches nothing', async () => {
      const endpoint = await serve({ tls: tlsOf(stage()) });
      const stranger = theirs.issue('gateway', ['gateway']);
      const { ca } = stage();
      for (const tls of [undefined, tlsOf(stranger), tlsOf({ ...stranger, ca })]) {
        await expect(callerOf(endpoint, tls)).rejects.toMatchObject({ code: 'pod_unreachable' });
      }
    });

    test('a caller speaks to no server but the one that it means', async () => {
      const endpoint = await serve({ tls: tlsOf(stage()) });
      const caller = ours.issue('gateway', ['gateway']);
      await expect(callerOf(endpoint, tlsOf(caller, { serverName: 'other.pods' }))).rejects.toMatchObject({
        code: 'pod_unreachable',
      });
      const impostor = await serve({ tls: tlsOf(theirs.issue('stage', ['stage.pods'])) });
      await expect(callerOf(impostor, tlsOf(caller))).rejects.toMatchObject({ code: 'pod_unreachable' });
    });

    test('only peers with the names asked for may call', async () => {
      const endpoint = await serve({ tls: tlsOf(stage()), peers: ['gateway', 'controller'] });
      expect(await callerOf(endpoint, tlsOf(ours.issue('c', ['controller'])))).toBe('controller');
      await expect(callerOf(endpoint, tlsOf(ours.issue('d', ['decode-0'])))).rejects.toMatchObject({
        code: 'peer_refused',
        details: { names: ['decode-0'] },
      });
    });

    test('a renewed certificate is used by the next connection, and running ones go on', async () => {
      const certificates = new RenewedCertificates(stage());
      const endpoint = await serve({ tls: { certificates } });
      const gateway = new RenewedCertificates(ours.issue('gateway', ['old-gateway']));
      const channel = GrpcChannel.open(endpoint, { certificates: gateway, serverName: 'stage.pods' });
      closing.push(() => channel.close());
      const client = channel.client(wire.WorkerDefinition);
      expect((await client.getStatus({})).podId).toBe('old-gateway');
      certificates.renew(ours.issue('stage', ['new-stage.pods']));
      expect((await client.getStatus({})).podId).toBe('old-gateway');
      const caller = ours.issue('gateway', ['gateway']);
      let served = '';
      for (let tries = 0; served === '' && tries < 50; tries++, await sleep(20)) {
        served = await callerOf(endpoint, tlsOf(caller, { serverName: 'new-stage.pods' })).catch(() => '');
      }
      expect(served).toBe('gateway');
    });

    test('a Unix socket needs no certificate, and nobody has a name there', async () => {
      const endpoint = await serve({ tls: tlsOf(stage()), peers: ['gateway'] }, `unix:${join(folder, 's.sock')}`);
      expect(await callerOf(endpoint, tlsOf(stage()))).toBe('');
    });
  });
}
