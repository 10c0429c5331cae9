// A process for tests to kill: `publish PATH KEY` writes jobs KEY-0, KEY-1, … and prints each once it was acknowledged;
// `read PATH GROUP` prints the jobs that it has done with.
import { FileEventLog } from '../file-event-log.js';

const [what, path = '', name = ''] = process.argv.slice(2);
const clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };
await using log = new FileEventLog({ path, producer: name, clock });
if (what === 'publish') {
  for (let number = 0; ; number++) {
    const jobId = `${name}-${number}`;
    await log.publish('jobs', { key: name, body: { $case: 'job', value: { jobId, tenant: '' } } });
    process.stdout.write(`${jobId}\n`);
  }
}
await log.subscribe(
  {
    topics: ['jobs'],
    group: name,
    from: 'earliest',
    onEvent: async ({ event: { body } }) => {
      if (body?.$case === 'job') process.stdout.write(`${body.value.jobId}\n`);
    },
  },
  new AbortController().signal,
);
