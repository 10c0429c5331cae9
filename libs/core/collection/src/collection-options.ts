import type { Clock } from '@tercet/base';
import type { RouteLimits } from './search/route.js';
import type { VectorIndex } from './vector-index.js';

export interface CollectionOptions {
  readonly clock: Clock;
  readonly routes: RouteLimits;
  /** Finds near vectors without comparing all; absent: all are compared. */
  readonly graph?: VectorIndex | undefined;
}
