import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock } from '@tercet/base';
import { MemoryTensors } from '@tercet/stage';
import { SharedMemory, TensorPlane, type TensorPlaneListen } from '@tercet/tensor-plane';
import { describeChecksums, describeTensorPort, type TensorsUnderTest, tensorLimits } from './tensor-port-contract.js';

type Path = 'shared memory' | 'a Unix socket' | 'TCP';

describeTensorPort('memory of one process', async () => withinOneProcess());
for (const path of ['shared memory', 'a Unix socket', 'TCP'] as const) {
  describeTensorPort(`the tensor plane over ${path}`, () => betweenPlanes(path));
  describeChecksums(`the tensor plane over ${path}`, () => betweenPlanes(path));
}

function withinOneProcess(): TensorsUnderTest {
  const { leasesMax, leaseTtlMs } = tensorLimits;
  const clock = new ManualClock(1000);
  const tensors = new MemoryTensors({ leasesMax, expiry: { clock, leaseTtlMs } });
  return {
    owner: tensors,
    reader: tensors,
    allocate: (bytes) => new Uint8Array(bytes),
    advance: (ms) => {
      clock.advance(ms);
      tensors.sweep();
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function betweenPlanes(path: Path): Promise<TensorsUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'tercet-tensors-'));
  const clock = new ManualClock(1000);
  const memory = SharedMemory.open({ folder });
  const open = (name: string) => {
    const listen: TensorPlaneListen =
      path === 'TCP' ? { kind: 'tcp', host: '127.0.0.1', port: 0 } : { kind: 'unix', path: join(folder, name) };
    const mapped = path === 'shared memory' ? { memory } : {};
    return TensorPlane.open({ listen, generation: 7n, clock, ...tensorLimits, ...mapped });
  };
  const owner = await open('owner.sock');
  const reader = await open('reader.sock');
  return {
    owner,
    reader,
    allocate: (bytes) =>
      path === 'shared memory' ? memory.allocate({ bytes, label: 'test' }).view(0, bytes) : new Uint8Array(bytes),
    advance: (ms) => {
      clock.advance(ms);
      owner.sweep();
    },
    [Symbol.asyncDispose]: async () => {
      await reader.close();
      await owner.close();
      memory.close();
      rmSync(folder, { recursive: true });
    },
  };
}
