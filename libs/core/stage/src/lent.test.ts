import { describe, expect, test } from '@jest/globals';
import { TercetError, wire } from '@tercet/contracts';
import { LentTensors } from './lent.js';
import type { LentTensor, TensorPort } from './tensor-port.js';

const patient = new AbortController().signal;

/** Keeps what was published; tests end it. */
class FakePort implements TensorPort {
  readonly lent = new Map<string, LentTensor>();
  isFull = false;

  publish(source: LentTensor): wire.TensorLease {
    if (this.isFull) throw new TercetError('overloaded');
    const leaseId = `lease-${this.lent.size}`;
    this.lent.set(leaseId, source);
    return wire.TensorLease.create({ leaseId });
  }

  revoke(leaseId: string): void {
    this.end(leaseId, 'failed');
  }

  end(leaseId: string, reason: 'released' | 'expired' | 'failed'): void {
    const source = this.lent.get(leaseId);
    this.lent.delete(leaseId);
    source?.onEnd(reason);
  }

  async pull(): Promise<never> {
    throw new Error('nothing is read here');
  }
}

function tensor(onEnd: LentTensor['onEnd'] = () => undefined): LentTensor {
  return { shape: [1], dtype: wire.DType.DTYPE_U8, layoutDigest: 'x', segments: [], onEnd };
}

describe('LentTensors', () => {
  test('counts what is lent until it ends, and tells the owner how', () => {
    const port = new FakePort();
    const lent = new LentTensors(port);
    const ends: string[] = [];
    const first = lent.lend(tensor((reason) => ends.push(reason)));
    lent.lend(tensor((reason) => ends.push(reason)));
    expect(lent.count).toBe(2);
    port.end(first.lease.leaseId, 'released');
    port.end(first.lease.leaseId, 'released');
    port.end('lease-1', 'expired');
    expect([lent.count, ends]).toEqual([0, ['released', 'expired']]);
  });

  test('a tensor that could not be lent is not counted', () => {
    const port = new FakePort();
    const lent = new LentTensors(port);
    port.isFull = true;
    expect(() => lent.lend(tensor())).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(lent.count).toBe(0);
  });

  test('drained waits for the last one', async () => {
    const port = new FakePort();
    const lent = new LentTensors(port);
    await lent.drained(patient);
    const leases = [lent.lend(tensor()), lent.lend(tensor())];
    let isDrained = false;
    const drained = lent.drained(patient).then(() => {
      isDrained = true;
    });
    port.end(leases[0]?.lease.leaseId ?? '', 'released');
    await Promise.resolve();
    expect(isDrained).toBe(false);
    port.end(leases[1]?.lease.leaseId ?? '', 'released');
    await drained;
  });

  test('when patience ends, what is lent is taken back', async () => {
    const port = new FakePort();
    const lent = new LentTensors(port);
    const ends: string[] = [];
    lent.lend(tensor((reason) => ends.push(reason)));
    lent.lend(tensor((reason) => ends.push(reason)));
    const impatient = new AbortController();
    const drained = lent.drained(impatient.signal);
    impatient.abort();
    await drained;
    await lent.drained(AbortSignal.abort());
    expect([lent.count, ends]).toEqual([0, ['failed', 'failed']]);
  });
});
