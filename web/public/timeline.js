// The stage timeline under an answer: a bar for eyes, a sentence for ears.

const parts = [
  ['queueMs', 'queue', '--queue'],
  ['mediaFetchMs', 'media fetch', '--fetch'],
  ['encodeMs', 'encode', '--encode'],
  ['mediaTransferMs', 'media transfer', '--transfer'],
  ['prefillQueueMs', 'prefill queue', '--queue'],
  ['prefillMs', 'prefill', '--prefill'],
  ['handoverMs', 'hand-over', '--handover'],
  ['decodeMs', 'decode', '--decode'],
];

/** @param t the `tercet` object of the last chunk */
export function timelineElement(t) {
  const times = { ...t.parts, handoverMs: t.handoverMs, decodeMs: t.decodeMs };
  const all = parts.map(([key, name, color]) => ({ name, color, ms: times[key] ?? 0 }));
  const shown = all.filter(({ ms }) => ms >= 0.05);
  const root = element('div', 'timeline');
  const track = element('div', 'track');
  track.setAttribute('role', 'img');
  track.setAttribute('aria-label', shown.map(({ name, ms }) => `${name} ${text(ms)}`).join(', '));
  const legend = element('ul', 'legend');
  for (const { name, color, ms } of shown) {
    const bar = document.createElement('i');
    bar.style.flexGrow = String(ms);
    bar.style.background = `var(${color})`;
    bar.title = `${name} ${text(ms)}`;
    bar.classList.toggle('after', name === 'hand-over');
    track.append(bar);
    const entry = document.createElement('li');
    entry.style.setProperty('--part', `var(${color})`);
    entry.textContent = `${name} ${text(ms)}`;
    legend.append(entry);
  }
  const { encode, prefill, decode } = t.pods;
  const pods = [...encode, prefill, decode].filter(Boolean).join(' → ');
  const facts = [
    `first token after ${text(t.ttftMs)}`,
    t.tokensPerSecond > 0 ? `${t.tokensPerSecond.toFixed(0)} tokens/s` : '',
    pods,
    t.cachedTokens > 0 ? `${t.cachedTokens} tokens from cache` : '',
    t.attempts > 1 ? `${t.attempts} attempts` : '',
  ];
  const line = element('p', 'facts');
  line.textContent = facts.filter(Boolean).join(' · ');
  root.append(track, legend, line);
  return root;
}

function text(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

function element(tag, className) {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}
