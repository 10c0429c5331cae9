// Thread of an engine under test, as services/stage has one.
import { parentPort, workerData } from 'node:worker_threads';
import { arenaOfOwner, hostEngine, refuseToOpen } from '@tercet/engine-thread';
import { memory } from '@tercet/ggml';
import { type GgmlEngineSetup, openGgmlEngine } from './ggml-engine.js';

if (parentPort === null) throw new Error('bug: the engine thread is a program');
const port = parentPort;
try {
  const engine = openGgmlEngine(workerData as GgmlEngineSetup, (bytes) => {
    const address = arenaOfOwner(port, bytes);
    return { address, bytes, view: memory(address, bytes), free: () => undefined };
  });
  hostEngine(engine, port);
} catch (error) {
  refuseToOpen(port, error);
}
