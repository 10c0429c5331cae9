import { TercetError, wire } from '@tercet/contracts';
import type { StageEngine } from '@tercet/engine';
import type { FactJournal } from '@tercet/facts';
import { type CutTiles, DecodeStage, EncodeStage, PrefillStage, type TensorPort, TileCache } from '@tercet/stage';
import { systemClock } from '@tercet/telemetry';
import type { StageConfig } from './config.js';

export type Stage = EncodeStage | PrefillStage | DecodeStage;

export interface StageParts {
  readonly engine: StageEngine;
  readonly tensors: TensorPort;
  readonly cutTiles: CutTiles;
  /** Makes the first image as fast as the others. */
  readonly warmImages: () => void;
  /** Hears which media tokens are cached. */
  readonly facts: Pick<FactJournal, 'changeMedia'>;
}

/** Makes the stage of a role over the engine that is loaded. The tile cache outlives a switch to another role. */
export function stagesOf(config: StageConfig, parts: StageParts): (role: wire.Role) => Promise<Stage> {
  const { engine, tensors, cutTiles, warmImages, facts } = parts;
  const { tilesMax, tileCacheBytes } = config.encode;
  const cache = new TileCache(tileCacheBytes, (change) => facts.changeMedia(change));
  const common = { engine, tensors, clock: systemClock };
  const { modelName, embeddingDim } = engine.descriptor;
  return async (role) => {
    if (embeddingDim !== undefined && role !== wire.Role.ROLE_ENCODE) {
      throw new TercetError('feature_unsupported', { feature: wire.Role[role], model: modelName });
    }
    switch (role) {
      case wire.Role.ROLE_ENCODE:
        warmImages();
        return new EncodeStage({ ...common, cutTiles, cache, tilesMax });
      case wire.Role.ROLE_PREFILL:
        return new PrefillStage(common);
      case wire.Role.ROLE_DECODE:
        return new DecodeStage(common);
      default:
        throw new TercetError('invalid_request', { role });
    }
  };
}
