// Wires the page together.
import { listModels, streamChat } from './api.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { drawExample, examples } from './examples.js';
import { PodsPanel } from './pods.js';

const $ = (id) => document.getElementById(id);
const question = $('question');
const announce = (text) => {
  $('announce').textContent = text;
};
const composer = new Composer({ list: $('images'), announce });
const conversation = new Conversation({ list: $('turns'), scroller: $('chat') });
const pods = new PodsPanel({ panel: $('pods'), pools: $('pools'), rows: $('pod-rows'), note: $('pods-note') });
let running;

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});
question.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
question.addEventListener('input', fitQuestion);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') running?.abort();
});
$('stop').addEventListener('click', () => running?.abort());
$('new-chat').addEventListener('click', () => {
  running?.abort();
  conversation.clear();
  composer.clear();
  $('welcome').hidden = false;
  question.focus();
});
$('show-pods').addEventListener('click', (event) => {
  event.currentTarget.setAttribute('aria-expanded', String(pods.toggle()));
});
$('show-settings').addEventListener('click', (event) => {
  $('settings').hidden = !$('settings').hidden;
  event.currentTarget.setAttribute('aria-expanded', String(!$('settings').hidden));
});
$('theme').addEventListener('click', () => setTheme(isDark() ? 'light' : 'dark'));
$('add-image').addEventListener('click', () => $('file').click());
$('take-photo').addEventListener('click', () => $('camera').click());
for (const id of ['file', 'camera']) {
  $(id).addEventListener('change', async (event) => {
    await composer.addFiles(event.target.files);
    event.target.value = '';
    question.focus();
  });
}
document.addEventListener('paste', (event) => {
  if (event.clipboardData.files.length === 0) return;
  event.preventDefault();
  void composer.addFiles(event.clipboardData.files);
});
document.addEventListener('dragover', (event) => {
  if (![...event.dataTransfer.types].includes('Files')) return;
  event.preventDefault();
  $('drop').hidden = false;
});
document.addEventListener('dragleave', (event) => {
  if (event.relatedTarget === null) $('drop').hidden = true;
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  $('drop').hidden = true;
  void composer.addFiles(event.dataTransfer.files);
  question.focus();
});

setTheme(localStorage.getItem('theme') ?? '');
showExamples();
void showModels();
question.focus();

function send() {
  const text = question.value.trim();
  const { images } = composer;
  if (running !== undefined || (text === '' && images.length === 0)) return;
  $('welcome').hidden = true;
  conversation.ask(text, images);
  question.value = '';
  fitQuestion();
  composer.clear();
  void answer();
}

async function answer() {
  const abort = new AbortController();
  setRunning(abort);
  const turn = conversation.answer();
  let timeline;
  try {
    for await (const chunk of streamChat(request(), abort.signal)) {
      timeline = chunk.tercet ?? timeline;
      const content = chunk.choices[0]?.delta?.content;
      if (content) turn.add(content);
    }
    turn.finish(timeline);
    announce(turn.text);
  } catch (error) {
    if (abort.signal.aborted) turn.finish();
    else turn.fail(error, () => void answer());
  } finally {
    setRunning(undefined);
    question.focus();
  }
}

function request() {
  const seed = $('seed').value;
  return {
    model: $('model').value,
    messages: conversation.messages,
    temperature: Number($('temperature').value),
    max_tokens: Number($('tokens-max').value),
    ...(seed === '' ? {} : { seed: Number(seed) }),
  };
}

function setRunning(abort) {
  running = abort;
  $('stop').hidden = abort === undefined;
  $('send').hidden = abort !== undefined;
}

function fitQuestion() {
  question.style.height = 'auto';
  question.style.height = `${question.scrollHeight}px`;
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function setTheme(theme) {
  if (theme === '') return;
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}

function showExamples() {
  for (const example of examples) {
    const canvas = drawExample(example);
    const button = Object.assign(document.createElement('button'), { type: 'button' });
    button.append(canvas, example.question);
    button.addEventListener('click', () => {
      composer.addUrl(canvas.toDataURL('image/png'), 'example picture');
      question.value = example.question;
      send();
    });
    const item = document.createElement('li');
    item.append(button);
    $('examples').append(item);
  }
}

async function showModels() {
  try {
    const models = await listModels();
    $('model').replaceChildren(...models.map(({ id }) => new Option(id, id)));
  } catch (error) {
    announce(`The models could not be listed: ${error.message}`);
  }
}
