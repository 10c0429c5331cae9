import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { needs } from '@tercet/testing';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type Colour, png } from './pictures.js';
import { RunningSystem } from './running-system.js';

const executablePath = needs('chromium');
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
/** Screenshots stay here, to be looked at. */
const shots = join(tmpdir(), 'tercet-page');
const phone: BrowserContextOptions = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true };
const question = 'What colour is the square?';
const green: Colour = [20, 140, 40];
const blue: Colour = [30, 60, 200];

let system: RunningSystem;
let browser: Browser;
/** What the page of a test complained about, beside the failed requests that the test caused. */
let problems: string[] = [];

if (executablePath !== undefined) {
  beforeAll(async () => {
    system = await RunningSystem.start(['--requests', '1']);
    browser = await chromium.launch({ executablePath, args: flags });
    mkdirSync(shots, { recursive: true });
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await system?.[Symbol.asyncDispose]();
  }, 60_000);
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    expect(problems.splice(0)).toEqual([]);
  });
  describe('a question', describeQuestions);
  describe('an answer', describeAnswers);
  describe('the page', describePage);
}

function describeQuestions(): void {
  test('that comes with an example picture is answered, with its stage timeline', async () => {
    const page = await open();
    await page.screenshot({ path: join(shots, 'welcome.png') });
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    await expectAnswer(page, 'Red.');
    const legend = await page.locator('.legend').textContent();
    for (const part of ['encode', 'prefill', 'hand-over']) expect(legend).toContain(part);
    expect(await page.locator('.facts').textContent()).toMatch(/encode-0 → prefill-0 → decode-0/);
    await page.screenshot({ path: join(shots, 'answer.png') });
  });

  test.each<{ way: string; add: (page: Page) => Promise<unknown> }>([
    { way: 'a chosen file', add: (page) => page.locator('#file').setInputFiles(fileOf(blue)) },
    { way: 'the camera', add: (page) => page.locator('#camera').setInputFiles(fileOf(blue)) },
    { way: 'a drop', add: (page) => dispatch(page, 'drop') },
    { way: 'the clipboard', add: (page) => dispatch(page, 'paste') },
  ])('with a picture from $way is answered', async ({ add }) => {
    const page = await open();
    await add(page);
    await page.getByRole('list', { name: 'Images of this question' }).getByRole('img', { name: 'a.png' }).waitFor();
    await ask(page, question);
    await expectAnswer(page, 'Blue.');
  });

  test('loses a picture that is removed, and the keyboard alone sends it', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles(fileOf(blue));
    await page.getByRole('button', { name: 'Remove a.png' }).press('Enter');
    expect(await page.locator('#images li').count()).toBe(0);
    await page.locator('#file').setInputFiles(fileOf(green));
    await ask(page, question);
    await expectAnswer(page, 'Green.');
  });

  test('leaves out what is no picture, and says so', async () => {
    const page = await open();
    await page.locator('#file').setInputFiles({ name: 'a.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%') });
    expect(await page.getByRole('alert').textContent()).toBe('a.pdf is not a PNG, JPEG, WebP or GIF image.');
    expect(await page.locator('#images li').count()).toBe(0);
  });
}

/** Resolves when the gateway runs no request. */
async function untilIdle(): Promise<void> {
  const metrics = async () => (await fetch(`${system.url}/metrics`)).text();
  while (!(await metrics()).includes('\ntercet_requests_running 0\n')) await sleep(20);
}

function describeAnswers(): void {
  test.each<{ how: string; stop: (page: Page) => Promise<void> }>([
    { how: 'the Stop button', stop: (page) => page.getByRole('button', { name: 'Stop the answer' }).click() },
    { how: 'Escape', stop: (page) => page.keyboard.press('Escape') },
  ])('that is long is stopped by $how, and everything is free again', async ({ stop }) => {
    const page = await open();
    await makeAnswersLong(page);
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    await page.locator('.turn.assistant .text p').waitFor();
    expect(await page.getByRole('button', { name: 'Send' }).isVisible()).toBe(false);
    await stop(page);
    await page.getByRole('button', { name: 'Send' }).waitFor();
    await page.getByText('Stopped.').first().waitFor();
    expect(await page.locator('.turn.assistant .waiting').count()).toBe(0);
    await page.screenshot({ path: join(shots, 'stopped.png') });
    await system.until((pods) => pods.every((pod) => pod.running + pod.waiting + pod.leasesOpen === 0));
    // With room for one request, the next is taken only when the stopped one is over.
    await untilIdle();
    await page.unrouteAll();
    await ask(page, 'What shape is it?');
    await page.locator('.timeline').waitFor();
  });

  test('that is refused can be asked for again', async () => {
    const page = await open();
    const body = { model: 'tercet-tiny', ignore_eos: true, max_tokens: 3000, stream: true };
    const busy = await system.post('/v1/chat/completions', { ...body, messages: [{ role: 'user', content: 'Hello' }] });
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toBe('Every slot is taken. Try again in a moment. overloaded');
    await page.screenshot({ path: join(shots, 'refused.png') });
    await busy.body?.cancel();
    await system.until((pods) => pods.every(({ running }) => running === 0));
    await page.getByRole('button', { name: 'Try again' }).click();
    await expectAnswer(page, 'Red.');
    expect(await alert.count()).toBe(0);
    problems = problems.filter((problem) => !problem.includes('429'));
  });

  test('that failed for its picture does not fail the next question', async () => {
    const page = await open(phone);
    const broken = { name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('not a picture') };
    await page.locator('#file').setInputFiles(broken);
    await ask(page, 'What is it?');
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toContain('media_type_unsupported');
    expect(await alert.evaluate(isInView)).toBe(true);
    await page.screenshot({ path: join(shots, 'failed.png') });
    await page.locator('#file').setInputFiles(fileOf(green));
    await ask(page, question);
    await expectAnswer(page, 'Green.');
    await page.getByRole('button', { name: 'New chat' }).click();
    expect(await page.locator('.turn').count()).toBe(0);
    problems = problems.filter((problem) => !problem.includes('400'));
  });

  test.each([
    { what: 'stays in view while it grows', scrollsUp: false },
    { what: 'leaves a reader alone who scrolled up', scrollsUp: true },
  ])('$what', async ({ scrollsUp }) => {
    const page = await open({ viewport: { width: 700, height: 420 } });
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    await expectAnswer(page, 'Red.');
    await makeAnswersLong(page, 400);
    await ask(page, 'Please describe what the picture shows.');
    const last = page.locator('.turn').last();
    await last.locator('.text p').waitFor();
    await page.mouse.move(300, 200);
    if (scrollsUp) await page.mouse.wheel(0, -3000);
    await last.locator('.timeline').waitFor();
    expect(await last.locator('.facts').evaluate(isInView)).toBe(!scrollsUp);
    await page.screenshot({ path: join(shots, scrollsUp ? 'scrolled.png' : 'long.png') });
  });
}

function describePage(): void {
  test.each(['light', 'dark'] as const)('that begins %s changes with its button, and stays so', async (colorScheme) => {
    const other = colorScheme === 'light' ? 'dark' : 'light';
    const page = await open({ colorScheme });
    const paper = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const before = await paper();
    await page.getByRole('button', { name: 'Switch between light and dark' }).click();
    await page.reload();
    expect(await page.locator('html').getAttribute('data-theme')).toBe(other);
    expect(await paper()).not.toBe(before);
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    await expectAnswer(page, 'Red.');
    await page.getByRole('button', { name: 'Cluster' }).click();
    await page.getByRole('cell', { name: 'prefill-0' }).waitFor();
    await page.screenshot({ path: join(shots, `${other}.png`) });
  });

  test('is walked through by Tab in the order in which it is read', async () => {
    const page = await open();
    await page.getByRole('link', { name: 'Skip to the question' }).focus();
    const walked: unknown[] = [];
    for (let i = 0; i < 14 && walked.at(-1) !== 'Send'; i++) {
      await page.keyboard.press('Tab');
      walked.push(await page.evaluate(nameOfFocused));
    }
    const bar = ['Model', 'New chat', 'Cluster', 'Settings', 'Switch between light and dark'];
    const examples = ['What colour is the circle?', 'Please read the digits.', 'How many triangles are there?'];
    const composer = ['Add an image', 'Take a photo', 'Question', 'Send'];
    expect(walked).toEqual([...bar, ...examples, ...composer]);
    await page.getByRole('link', { name: 'Skip to the question' }).press('Enter');
    expect(await page.evaluate(nameOfFocused)).toBe('Question');
  });

  test('says to a screen reader who said what, and what each control does', async () => {
    const page = await open();
    await page.getByRole('button', { name: 'What colour is the circle?' }).click();
    await expectAnswer(page, 'Red.');
    const tree = (await page.locator('body').ariaSnapshot()).replaceAll(/[\d.]+ (ms|s|tokens\/s)\b/g, 'N $1');
    for (const line of [
      '- link "Skip to the question":',
      '- heading "tercet" [level=1]',
      '- combobox "Model":',
      '- option "tercet-tiny" [selected]',
      '- button "Cluster"',
      '- main "Conversation":',
      '- listitem:',
      '- text: "You:"',
      '- img "example picture"',
      '- paragraph: Red.',
      '- textbox "Question"',
      '- button "Send"',
      '- status: Red.',
    ]) {
      expect(tree).toContain(line);
    }
    expect(tree).toMatch(/- img "queue N ms, .*encode N ms, .*prefill N ms, .*hand-over N ms/);
  });

  test('fits a phone: nothing stands beside the screen', async () => {
    const page = await open(phone);
    const overhang = () => page.evaluate('document.documentElement.scrollWidth - innerWidth');
    await page.screenshot({ path: join(shots, 'phone-welcome.png') });
    expect(await overhang()).toBe(0);
    await page.getByRole('button', { name: 'What colour is the circle?' }).tap();
    await expectAnswer(page, 'Red.');
    await page.screenshot({ path: join(shots, 'phone-answer.png') });
    expect(await overhang()).toBe(0);
    await page.getByRole('button', { name: 'Cluster' }).tap();
    await page.getByRole('button', { name: 'Settings' }).tap();
    await page.getByRole('cell', { name: 'prefill-0' }).waitFor();
    expect(await page.getByLabel('Temperature').evaluate(isInView)).toBe(true);
    expect(await overhang()).toBe(0);
    for (const control of await page.locator('.bar :is(select, button)').all()) {
      expect(await control.evaluate(isInView)).toBe(true);
    }
    await page.screenshot({ path: join(shots, 'phone-pods.png') });
  });
}

async function open(options: BrowserContextOptions = {}): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 860 }, ...options });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(system.url);
  await page.getByLabel('Model').locator('option').first().waitFor({ state: 'attached' });
  return page;
}

async function ask(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Question' }).fill(text);
  await page.keyboard.press('Enter');
}

/** The last answer, once it is whole. */
async function expectAnswer(page: Page, text: string): Promise<void> {
  const turn = page.locator('.turn.assistant').last();
  await turn.locator('.timeline').waitFor();
  expect(await turn.locator('.text').textContent()).toBe(text);
}

/** Every request of this page asks the real system for more than the model would say. */
async function makeAnswersLong(page: Page, tokens = 3500): Promise<void> {
  await page.route('**/v1/chat/completions', (route) => {
    const body = { ...route.request().postDataJSON(), ignore_eos: true, max_tokens: tokens };
    return route.continue({ postData: JSON.stringify(body) });
  });
}

function fileOf(colour: Colour) {
  const buffer = png(64, (x, y) => (x > 16 && x < 44 && y > 18 && y < 46 ? colour : [240, 238, 230]));
  return { name: 'a.png', mimeType: 'image/png', buffer };
}

/** What a browser does when a picture is dropped or pasted. */
async function dispatch(page: Page, type: 'drop' | 'paste'): Promise<void> {
  const base64 = fileOf(blue).buffer.toString('base64');
  const items = `const items = new DataTransfer();
    const bytes = Uint8Array.from(atob('${base64}'), (c) => c.charCodeAt(0));
    items.items.add(new File([bytes], 'a.png', { type: 'image/png' }));`;
  const event =
    type === 'drop'
      ? `new DragEvent('drop', { dataTransfer: items, bubbles: true, cancelable: true })`
      : `new ClipboardEvent('paste', { clipboardData: items, bubbles: true, cancelable: true })`;
  await page.evaluate(`(() => { ${items} document.activeElement.dispatchEvent(${event}); })()`);
}

/** Runs in the page, so it is text: this side has no types of a browser. */
const isInView = new Function(
  'element',
  `const { left, right, top, bottom } = element.getBoundingClientRect();
  const shown = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return left >= 0 && right <= innerWidth && top >= 0 && bottom <= innerHeight && element.contains(shown);`,
) as (element: unknown) => boolean;
const nameOfFocused = `(() => {
  const element = document.activeElement;
  const label = element.labels?.[0]?.firstElementChild;
  return element.getAttribute('aria-label') ?? (label ?? element).textContent;
})()`;
