// Thread of the engine: everything that a step needs is loaded here, and nothing else runs here.
import { parentPort, workerData } from 'node:worker_threads';
import { arenaOfOwner, hostEngine, refuseToOpen } from '@tercet/engine-thread';
import { memory } from '@tercet/ggml';
import type { StageConfig } from './config.js';
import { openEngine } from './engine.js';

if (parentPort === null) throw new Error('bug: the engine thread is a program');
const port = parentPort;
try {
  const engine = await openEngine(workerData as StageConfig, (bytes) => {
    const address = arenaOfOwner(port, bytes);
    return { address, bytes, view: memory(address, bytes), free: () => undefined };
  });
  hostEngine(engine, port);
} catch (error) {
  refuseToOpen(port, error);
}
