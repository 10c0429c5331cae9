// A thread that answers with its task's file, and ends at an empty one.
import { parentPort } from 'node:worker_threads';

parentPort.on('message', ({ taskId, file }) => {
  if (file.length === 0) process.exit(3);
  if (file[0] === 255) throw new Error('a bug');
  setTimeout(() => parentPort.postMessage({ taskId, kind: 'done', pixels: Float32Array.from(file) }), file[0]);
});
