import type { Clock } from '@tercet/base';
import { TercetError, wire } from '@tercet/contracts';
import type { DecodeSession, DecodeTask, StageEngine } from '@tercet/engine';
import { callOf, samplingFromWire, tokenToWire } from './from-wire.js';
import type { MountedStage } from './role-host.js';
import type { TensorPort } from './tensor-port.js';

export interface DecodeStageOptions {
  readonly engine: StageEngine;
  readonly tensors: TensorPort;
  readonly clock: Clock;
}

/** KV cache and first token to the other tokens. */
export class DecodeStage implements MountedStage {
  readonly role = wire.Role.ROLE_DECODE;
  readonly leasesOpen = 0;
  readonly counters = { requestsDone: 0, tokensDone: 0 };
  readonly #options: DecodeStageOptions;

  constructor(options: DecodeStageOptions) {
    this.#options = options;
  }

  /**
   * Reserves KV space, pulls the KV into it layer by layer while prefill computes, and generates once the first token
   * is known. Everything is freed when the caller leaves.
   * @throws stage_protocol, prompt_too_long, overloaded, kv_full, and what a pull throws
   */
  async *decode(commands: AsyncIterable<wire.DecodeCommand>, signal: AbortSignal): AsyncGenerator<wire.DecodeEvent> {
    const { engine, clock } = this.#options;
    const iterator = commands[Symbol.asyncIterator]();
    const open = await nextCommand(iterator, 'open');
    const task: DecodeTask = {
      ...callOf(open, engine.descriptor),
      tokenIds: Uint32Array.from(open.tokenIds),
      generatedTokens: open.generatedTokens,
      sampling: samplingFromWire(open.sampling),
      tokensMax: open.tokensMax,
    };
    const queuedMs = clock.nowMs();
    await using session = await engine.reserve(task, signal);
    const queueMs = clock.nowMs() - queuedMs;
    yield { event: { $case: 'reserved', value: {} } };
    const transferMs = await this.#pullKv(open, session, signal);
    const timings = { queueMs, transferMs, computeMs: 0 };
    yield { event: { $case: 'ready', value: { timings } } };
    const start = await nextCommand(iterator, 'start');
    for await (const output of session.run(start.firstTokenId, signal)) {
      if (output.kind === 'token') {
        this.counters.tokensDone++;
        yield { event: { $case: 'token', value: tokenToWire(output.token) } };
        continue;
      }
      const { tokens, computeMs } = output;
      const reason = finishReasons[output.reason];
      this.counters.requestsDone++;
      yield { event: { $case: 'finished', value: { reason, tokens, timings: { ...timings, computeMs } } } };
      return;
    }
    throw new TercetError('empty_answer', { stage: 'decode' });
  }

  async drained(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** @returns how long it took */
  async #pullKv(open: wire.DecodeOpen, session: DecodeSession, signal: AbortSignal): Promise<number> {
    const { engine, tensors } = this.#options;
    const { layerCount, kvRowBytes, kvLayoutDigest } = engine.descriptor;
    const lease = open.kvLease;
    if (lease === undefined) throw new TercetError('invalid_request', { missing: 'open.kv_lease' });
    const expected = [layerCount, 2, open.tokenIds.length, kvRowBytes];
    const field = lease.dtype !== wire.DType.DTYPE_U8 ? 'dtype' : 'shape';
    if (field === 'dtype' || `${lease.shape}` !== `${expected}`) {
      throw new TercetError('lease_mismatch', { field, shape: `${lease.shape}`, expected: `${expected}` });
    }
    const target = (segment: number) => session.rows(segment >> 1, (segment & 1) === 0 ? 'k' : 'v');
    const { ms } = await tensors.pull(lease, { layoutDigest: kvLayoutDigest, target }, signal);
    return ms;
  }
}

const finishReasons = {
  stop: wire.FinishReason.FINISH_REASON_STOP,
  length: wire.FinishReason.FINISH_REASON_LENGTH,
} as const;

type CommandOf = { open: wire.DecodeOpen; start: wire.DecodeStart };

/** @throws stage_protocol when another command or none comes */
async function nextCommand<Case extends keyof CommandOf>(
  commands: AsyncIterator<wire.DecodeCommand>,
  expected: Case,
): Promise<CommandOf[Case]> {
  const next = await commands.next();
  if (next.done === true) throw new TercetError('cancelled', { waitedFor: expected });
  const { command } = next.value;
  if (command?.$case !== expected) {
    throw new TercetError('stage_protocol', { expected, got: command?.$case ?? 'nothing' });
  }
  return command.value as CommandOf[Case];
}
