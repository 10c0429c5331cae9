import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hasHash, openControlStore } from '@tercet/control-store';
import { isApiKey } from '@tercet/tenancy';
import { needs, PrivatePostgres } from '@tercet/testing';
import { runCli } from '../testing/run-cli.js';

const root = join(import.meta.dirname, '../../..');
const day = 86_400_000;
const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

let folder: string;
beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs'), '--quiet']);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tercet-access-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runCli(args, { environment: { TERCET_STATE: folder } });
const audited = () =>
  readFileSync(join(folder, 'audit.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function stored() {
  await using control = await openControlStore({ kind: 'sqlite', path: join(folder, 'control.db') }, clock);
  return { keys: await control.keys.keys(), tenants: await control.keys.tenants() };
}

describe('tercet keys', () => {
  test('a key is shown once, alone on standard output, and kept as a hash', async () => {
    const { code, out, err } = await run('keys', 'create', '--tenant', 'acme', '--name', 'search service');
    const key = out.trimEnd();
    expect({ code, isKey: isApiKey(key), lines: out.split('\n').length }).toEqual({ code: 0, isKey: true, lines: 2 });
    expect(err).toMatch(/^tenant acme is new, without limits: .*\nkey \w{11} of acme; it is shown this once:\n$/);
    const [record] = (await stored()).keys;
    expect(record).toMatchObject({ tenant: 'acme', name: 'search service', scopes: ['inference'] });
    expect(record !== undefined && hasHash(record, key)).toBe(true);
    const listed = await run('keys', 'list');
    expect(listed.out).toContain(record?.id);
    for (const text of [listed.out, JSON.stringify(audited())]) {
      expect(text).not.toContain(key.slice(16));
      expect(text).not.toContain(record?.hash);
    }
  });

  test('scopes and expiry are as asked for', async () => {
    const before = Date.now();
    await run('keys', 'create', '--tenant', 'a', '--scope', 'admin', 'inference', '--expires', '90d');
    await run('keys', 'create', '--tenant', 'a', '--scope', 'admin', '--expires', '2999-01-31');
    const { keys } = await stored();
    expect(keys.map(({ scopes }) => scopes)).toEqual([['admin', 'inference'], ['admin']]);
    const [first, second] = keys.map(({ expiresUnixMs = 0 }) => expiresUnixMs);
    expect(first).toBeGreaterThanOrEqual(before + 90 * day);
    expect(first).toBeLessThan(before + 91 * day);
    expect(second).toBe(Date.UTC(2999, 0, 31));
  });

  test('what was revoked is listed as such, and each change stands in the audit log', async () => {
    const made = JSON.parse((await run('keys', 'create', '--tenant', 'acme', '--json')).out) as { id: string };
    expect(await run('keys', 'revoke', made.id)).toMatchObject({ code: 0, err: `${made.id} of acme is revoked\n` });
    const { keys } = JSON.parse((await run('keys', 'list', '--json')).out) as { keys: object[] };
    expect(keys).toMatchObject([{ id: made.id, state: 'revoked' }]);
    expect(audited()).toMatchObject([
      { event: 'audit.key_created', actor: expect.stringMatching(/^user ./), keyId: made.id, scopes: ['inference'] },
      { event: 'audit.key_revoked', actor: expect.stringMatching(/^user ./), keyId: made.id, tenant: 'acme' },
    ]);
  });

  test.each([
    { args: ['create'], code: 2, err: /required option '--tenant <name>'/ },
    { args: ['create', '--tenant', 'No Name'], code: 2, err: /Must be 1 to 63 of a-z/ },
    { args: ['create', '--tenant', ''], code: 2, err: /Must be 1 to 63 of a-z/ },
    { args: ['create', '--tenant', 'a', '--scope', 'root'], code: 2, err: /Allowed choices are inference, admin/ },
    { args: ['create', '--tenant', 'a', '--expires', '2001-01-01'], code: 2, err: /a time in the future/ },
    { args: ['create', '--tenant', 'a', '--expires', 'soon'], code: 2, err: /a time in the future/ },
    { args: ['create', '--tenant', 'a', '--name', 'two\nlines'], code: 2, err: /one line of at most 100/ },
    { args: ['revoke', 'nobody'], code: 1, err: /there is no such API key \(id: nobody\) \[key_not_found\]/ },
  ])('$args ends with $code and changes nothing', async ({ args, code, err }) => {
    const result = await run('keys', ...args);
    expect(result).toEqual({ code, out: '', err: expect.stringMatching(err) });
    expect(await stored()).toEqual({ keys: [], tenants: [] });
  });
});

const postgres = needs('postgres');
if (postgres !== undefined) {
  test('keys and tenants of a gateway on PostgreSQL are changed by its configuration', async () => {
    await using server = await PrivatePostgres.start(postgres);
    const config = join(folder, 'gateway.json');
    const store = { kind: 'postgres', ...server.address, connectionsMax: 2 } as const;
    writeFileSync(config, JSON.stringify({ gatewayId: 'one', models: [], store }));
    const made = JSON.parse((await run('keys', 'create', '--config', config, '--tenant', 'acme', '--json')).out);
    await run('tenants', 'set', 'acme', '--config', config, '--concurrency', '4');
    await run('keys', 'revoke', made.id, '--config', config);
    await using control = await openControlStore(store, clock);
    expect(await control.keys.keys()).toMatchObject([{ id: made.id, revokedUnixMs: expect.any(Number) }]);
    expect(await control.keys.tenants()).toMatchObject([{ name: 'acme', concurrency: 4 }]);
    expect(await stored()).toEqual({ keys: [], tenants: [] });
    expect(audited()).toHaveLength(3);
  }, 60_000);
}

describe('tercet tenants', () => {
  test('what is not named stays, and none takes a limit away', async () => {
    await run('tenants', 'set', 'acme', '--requests-per-minute', '600', '--tokens-per-minute', '2e5');
    await run('tenants', 'set', 'acme', '--concurrency', '4', '--priority', 'high', '--weight', '2.5');
    const last = await run('tenants', 'set', 'acme', '--tokens-per-minute', 'none');
    expect(last.err).toBe('acme: 600 requests/min, any tokens/min, concurrency 4, priority high, weight 2.5\n');
    const acme = { name: 'acme', requestsPerMinute: 600, concurrency: 4, priority: 'high', weight: 2.5 };
    expect((await stored()).tenants).toEqual([acme]);
    expect(JSON.parse((await run('tenants', 'list', '--json')).out)).toEqual({ tenants: [acme] });
    expect((await run('tenants')).out).toMatch(/acme +600 +any +4 +high +2.5\n/);
    expect(audited().at(-1)).toMatchObject({ event: 'audit.tenant_set', tenant: 'acme', tokensPerMinute: 'none' });
  });

  test.each([
    { args: ['--concurrency', '1.5'], err: /Must be a whole number from 1 on, or none/ },
    { args: ['--requests-per-minute', '0'], err: /Must be a number above 0, or none/ },
    { args: ['--tokens-per-minute', 'many'], err: /Must be a number above 0, or none/ },
    { args: ['--priority', 'urgent'], err: /Allowed choices are high, normal, low/ },
    { args: ['--weight', '0'], err: /Must be a number from 0.01 to 100/ },
    { args: [], err: /nothing to set/ },
  ])('$args is refused', async ({ args, err }) => {
    expect(await run('tenants', 'set', 'acme', ...args)).toEqual({ code: 2, out: '', err: expect.stringMatching(err) });
    expect((await stored()).tenants).toEqual([]);
  });
});
