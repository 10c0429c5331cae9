import { randomBytes } from 'node:crypto';
import type { StageEngine } from '@tercet/engine';
import { FactJournal } from '@tercet/facts';

/** The journal of this process, which hears of the engine's prefixes from now on. */
export function openFacts(engine: Pick<StageEngine, 'watchPrefixes'>): FactJournal {
  const facts = new FactJournal({ generation: randomBytes(8).readBigUInt64LE() });
  engine.watchPrefixes((change) => facts.changePrefixes(change));
  return facts;
}
