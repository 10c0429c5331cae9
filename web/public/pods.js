// The live view of the cluster: its pools, and every stage process.
import { listPods, listPools } from './api.js';
import { poolElement } from './cluster.js';

const everyMs = 1000;
const colors = { encode: 'var(--encode)', prefill: 'var(--prefill)', decode: 'var(--decode)', none: 'var(--queue)' };

/** Shows pools and pods while the panel is open; asks nobody while it is closed. */
export class PodsPanel {
  #panel;
  #pools;
  #rows;
  #note;
  #timer;

  constructor({ panel, pools, rows, note }) {
    this.#panel = panel;
    this.#pools = pools;
    this.#rows = rows;
    this.#note = note;
  }

  toggle() {
    this.#panel.hidden = !this.#panel.hidden;
    clearTimeout(this.#timer);
    if (!this.#panel.hidden) void this.#update();
    return !this.#panel.hidden;
  }

  async #update() {
    try {
      const [pools, pods] = await Promise.all([listPools(), listPods()]);
      this.#pools.replaceChildren(...pools.map(poolElement));
      this.#rows.replaceChildren(...pods.map(rowOf));
      this.#note.textContent = pods.length === 0 ? 'No pod answers.' : '';
    } catch {
      this.#note.textContent = 'The gateway does not answer.';
    }
    if (!this.#panel.hidden) this.#timer = setTimeout(() => this.#update(), everyMs);
  }
}

function rowOf(pod) {
  const row = document.createElement('tr');
  const role = document.createElement('span');
  role.className = 'role';
  role.textContent = pod.phase === 'ready' ? pod.role : `${pod.role}, ${pod.phase}`;
  role.style.setProperty('--part', colors[pod.role] ?? colors.none);
  const kv = document.createElement('meter');
  kv.max = Math.max(1, pod.kvBlocksTotal);
  kv.value = pod.kvBlocksUsed;
  kv.title = `${pod.kvBlocksUsed} of ${pod.kvBlocksTotal} blocks`;
  const megabytes = `${Math.round(pod.residentBytes / 1048576)} MB`;
  const step = `${pod.stepMsMean.toFixed(1)} ms`;
  for (const value of [pod.podId, role, pod.epoch, pod.running, pod.waiting, kv, step, megabytes]) {
    const cell = document.createElement('td');
    cell.append(value instanceof Node ? value : String(value));
    row.append(cell);
  }
  return row;
}
