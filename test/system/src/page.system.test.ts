import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { needs } from '@tercet/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import { png } from './pictures.js';
import { RunningSystem } from './running-system.js';

const executablePath = needs('chromium');
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
/** Screenshots stay here, to be looked at. */
const shots = join(tmpdir(), 'tercet-page');

if (executablePath !== undefined) describePage(executablePath);

function describePage(executable: string): void {
  let system: RunningSystem;
  let browser: Browser;

  beforeAll(async () => {
    system = await RunningSystem.start([]);
    browser = await chromium.launch({ executablePath: executable, args: flags });
    mkdirSync(shots, { recursive: true });
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await system?.[Symbol.asyncDispose]();
  }, 60_000);

  async function open(options: { dark?: boolean; width?: number } = {}): Promise<{ page: Page; problems: string[] }> {
    const page = await browser.newPage({
      colorScheme: options.dark === true ? 'dark' : 'light',
      viewport: { width: options.width ?? 1200, height: 860 },
    });
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    await page.goto(system.url);
    await page.getByLabel('Model').locator('option').first().waitFor({ state: 'attached' });
    return { page, problems };
  }

  describe('the page', () => {
    test('an example picture is answered, with its stage timeline', async () => {
      const { page, problems } = await open();
      await page.screenshot({ path: join(shots, 'welcome.png') });
      await page.getByRole('button', { name: 'What colour is the circle?' }).click();
      await page.locator('.timeline').waitFor();
      expect(await page.locator('.turn.assistant .text').textContent()).toMatch(/\w/);
      const legend = await page.locator('.legend').textContent();
      for (const part of ['encode', 'prefill', 'hand-over']) expect(legend).toContain(part);
      expect(await page.locator('.facts').textContent()).toMatch(/encode-0 → prefill-0 → decode-0/);
      await page.screenshot({ path: join(shots, 'answer.png') });
      expect(problems).toEqual([]);
      await page.close();
    });

    test('a file is added, shown, removed and added again, and sent by the keyboard alone', async () => {
      const { page } = await open({ dark: true });
      const file = join(mkdtempSync(join(tmpdir(), 'tercet-page-')), 'green.png');
      writeFileSync(
        file,
        png(64, (x, y) => (x > 20 && x < 44 && y > 20 && y < 44 ? [20, 140, 40] : [240, 240, 240])),
      );
      await page.locator('#file').setInputFiles(file);
      await page.getByRole('button', { name: 'Remove green.png' }).click();
      expect(await page.locator('#images li').count()).toBe(0);
      await page.locator('#file').setInputFiles(file);
      await page.getByRole('textbox', { name: 'Question' }).fill('What colour is the square?');
      await page.keyboard.press('Enter');
      await page.locator('.timeline').waitFor();
      await page.getByRole('button', { name: 'Cluster' }).click();
      await page.getByRole('cell', { name: 'prefill-0' }).waitFor();
      const pool = page.getByRole('region', { name: 'Pool tercet-tiny' });
      await pool.waitFor();
      expect(await pool.getByRole('region', { name: 'decode, 1 pods' }).textContent()).toContain('decode-0');
      await page.screenshot({ path: join(shots, 'dark.png') });
      await page.close();
    });

    test('an answer can be stopped, and errors say what to do', async () => {
      const { page } = await open({ width: 400 });
      await page
        .locator('#file')
        .setInputFiles({ name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('not a picture') });
      await page.getByRole('textbox', { name: 'Question' }).fill('What is it?');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').waitFor();
      expect(await page.getByRole('alert').textContent()).toContain('media_type_unsupported');
      await page.screenshot({ path: join(shots, 'phone.png') });
      await page.getByRole('button', { name: 'New chat' }).click();
      expect(await page.locator('.turn').count()).toBe(0);
      await page.close();
    });

    test('a dropped image becomes part of the question', async () => {
      const { page } = await open();
      const base64 = png(64, () => [10, 20, 200]).toString('base64');
      const transfer = await page.evaluateHandle(`(() => {
        const bytes = Uint8Array.from(atob('${base64}'), (c) => c.charCodeAt(0));
        const items = new DataTransfer();
        items.items.add(new File([bytes], 'blue.png', { type: 'image/png' }));
        return items;
      })()`);
      await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
      await page.getByRole('img', { name: 'blue.png' }).waitFor();
      await page.close();
    });
  });
}
