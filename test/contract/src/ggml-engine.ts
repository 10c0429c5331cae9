import { fileURLToPath } from 'node:url';
import type { Clock } from '@tercet/base';
import { EmbeddedEngine, greedySampler } from '@tercet/engine';
import { type AllocateArena, openBackend } from '@tercet/ggml';
import { type EngineSetup, engineLimits, engineSizes } from './engine-calls.js';

/** Files below `models/`. */
export interface ModelFiles {
  readonly model: string;
  readonly mmproj?: string;
}

/** What crosses to a thread that opens an engine. */
export interface GgmlEngineSetup extends EngineSetup {
  readonly files: ModelFiles;
}

const clock: Clock = { nowMs: () => performance.now(), unixMs: () => Date.now() };

/** An engine over ggml; `allocateArena` is given in a thread of its own, whose owner sees the KV as well. */
export function openGgmlEngine(setup: GgmlEngineSetup, allocateArena?: AllocateArena): EmbeddedEngine {
  const { model, mmproj } = setup.files;
  const backend = openBackend({
    modelName: 'real',
    modelPath: pathOf(model),
    ...(mmproj === undefined ? {} : { mmprojPath: pathOf(mmproj) }),
    ...engineSizes,
    chunkTokensMax: engineLimits.chunkTokens,
    ...(allocateArena === undefined ? {} : { allocateArena, isThreadOurs: true }),
  });
  return EmbeddedEngine.open({
    backend,
    clock,
    samplerOf: () => greedySampler,
    endOfTextTokenIds: new Set(setup.endOfTextTokenIds),
    limits: engineLimits,
    threads: 1,
  });
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`../../../models/${file}`, import.meta.url));
}
