import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { environment, needs } from '@tercet/testing';
import { chromium } from 'playwright-core';
import { RunningSystem } from './running-system.js';
import { at } from './service-process.js';

jest.setTimeout(120_000);

const executablePath = needs('chromium');
const chatPath = '/v1/chat/completions';

let system: RunningSystem;
beforeAll(async () => {
  system = await RunningSystem.start(['--require-keys', '--requests', '2']);
}, 90_000);
afterAll(() => system[Symbol.asyncDispose](), 60_000);

/** Runs the command beside the system, as its operator does. @returns what it printed */
function tercet(...args: string[]): string {
  const env = { ...environment, TERCET_STATE: system.folder };
  return execFileSync(process.execPath, [at('cli/dist/main.js'), ...args], { env, encoding: 'utf8', stdio: 'pipe' });
}

const newKey = (tenant: string, ...more: string[]) => tercet('keys', 'create', '--tenant', tenant, ...more).trim();

const ask = (key: string, more: object = {}, signal?: AbortSignal) =>
  fetch(`${system.url}${chatPath}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify({
      model: 'tercet-tiny',
      max_tokens: 4,
      messages: [{ role: 'user', content: 'Tell me about circles.' }],
      ...more,
    }),
    ...(signal === undefined ? {} : { signal }),
  });

const codeOf = async (response: Response) =>
  ((await response.json()) as { error?: { code: string } }).error?.code ?? 'none';

/** Until a change of keys or tenants has come to the gateway. */
const aSecond = () => new Promise((resolve) => setTimeout(resolve, 1000));

describe('a running system that requires keys', () => {
  test('takes a key that was made beside it within a second, and refuses it so once it is revoked', async () => {
    const key = newKey('acme');
    await aSecond();
    expect(await codeOf(await ask(key))).toBe('none');
    const { keys } = JSON.parse(tercet('keys', 'list', '--json')) as { keys: { id: string }[] };
    tercet('keys', 'revoke', keys[0]?.id ?? '');
    await aSecond();
    expect(await codeOf(await ask(key))).toBe('unauthenticated');
  });

  test('a tenant over its rate is refused until there is enough again, and others are not', async () => {
    const [limited, free] = [newKey('limited'), newKey('free')];
    tercet('tenants', 'set', 'limited', '--requests-per-minute', '2');
    await aSecond();
    const codes: string[] = [];
    for (let i = 0; i < 2; i++) codes.push(await codeOf(await ask(limited)));
    const refused = await ask(limited);
    expect([...codes, await codeOf(refused), await codeOf(await ask(free))]).toEqual([
      'none',
      'none',
      'rate_limited',
      'none',
    ]);
    expect(refused.status).toBe(429);
    const retryAfter = Number(refused.headers.get('retry-after'));
    expect(retryAfter).toBeGreaterThan(20);
    expect(retryAfter).toBeLessThanOrEqual(30);
  });

  test('under overload tenants get tokens by their weights, and a flood does not keep others out', async () => {
    const [flood, quiet] = [newKey('flood'), newKey('quiet')];
    tercet('tenants', 'set', 'quiet', '--weight', '3');
    await aSecond();
    const served = { flood: 0, quiet: 0 };
    const over = new AbortController();
    const client = async (tenant: keyof typeof served, key: string) => {
      while (!over.signal.aborted) {
        const response = await ask(key, { max_tokens: 32, ignore_eos: true }, over.signal).catch(() => undefined);
        const body = (await response?.json().catch(() => undefined)) as
          | { usage?: { total_tokens: number } }
          | undefined;
        served[tenant] += body?.usage?.total_tokens ?? 0;
        if (served.flood + served.quiet > 12_000) over.abort();
      }
    };
    const clients = [
      ...Array.from({ length: 16 }, () => client('flood', flood)),
      ...Array.from({ length: 8 }, () => client('quiet', quiet)),
    ];
    await Promise.all(clients);
    expect(served.quiet / served.flood).toBeGreaterThan(2.5);
    expect(served.quiet / served.flood).toBeLessThan(3.5);
  });

  if (executablePath !== undefined) {
    test('the page asks for a key, and works with it', async () => {
      const key = newKey('people', '--scope', 'inference', 'admin');
      await aSecond();
      const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
      try {
        const page = await browser.newPage();
        const asked: string[] = [];
        page.on('dialog', (dialog) => {
          asked.push(dialog.message());
          void dialog.accept(` ${key} `);
        });
        await page.goto(system.url);
        await page.getByLabel('Model').locator('option').first().waitFor({ state: 'attached' });
        await page.getByRole('button', { name: 'What colour is the circle?' }).click();
        await page.locator('.timeline').waitFor();
        await page.getByRole('button', { name: 'Cluster' }).click();
        await page.getByText('prefill-0').first().waitFor();
        expect(asked).toEqual([expect.stringContaining('API key')]);
      } finally {
        await browser.close();
      }
    });
  }

  test('no key stands in any of its logs', () => {
    const { keys } = JSON.parse(tercet('keys', 'list', '--json')) as { keys: { id: string }[] };
    expect(keys.length).toBeGreaterThan(0);
    expect(JSON.stringify(system.log())).not.toMatch(/tck_[0-9A-Za-z]{11}_/);
  });
});
