import { Prng } from '@tercet/base';
import { CollectionStore } from '../collection-store.js';
import { storeOptions, testSpec } from './store-options.js';

/**
 * Writes to a store until it is killed, and says what it does: `begin ID VERSION` before a write, `done ID VERSION`
 * when it is told that the write is durable. Version 0 deletes. Of one id, one write is under way at a time.
 */
const [folder = '', seed = '0', firstVersion = '1'] = process.argv.slice(2);
const idCount = 64;
const writersMax = 8;
const random = new Prng(Number(seed));
const say = (text: string) => process.stdout.write(`${text}\n`);
const store = CollectionStore.open(storeOptions(folder, { logBytesMax: 4096 }));
const which = { tenant: 'acme', name: testSpec.name };
if (!(await store.names('acme')).includes(which.name)) await store.create('acme', testSpec);

let version = Number(firstVersion);
await store.use(which, async (collection) => {
  const write = async (id: string) => {
    const next = random.nextBelow(5) === 0 ? 0 : version++;
    say(`begin ${id} ${next}`);
    const payload = JSON.stringify({ version: next, colour: 'red', text: 'x'.repeat(random.nextBelow(200)) });
    const vectors = new Float32Array(4).fill(next);
    await (next === 0 ? collection.delete([id]) : collection.upsert({ ids: [id], vectors, payloads: [payload] }));
    say(`done ${id} ${next}`);
  };
  const writeForEver = async (writer: number) => {
    for (;;) {
      await write(`p${writer + writersMax * random.nextBelow(idCount / writersMax)}`);
      if (random.nextBelow(40) === 0) await collection.snapshot();
    }
  };
  await Promise.all(Array.from({ length: writersMax }, (_, writer) => writeForEver(writer)));
});
