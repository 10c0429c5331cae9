import type { Clock } from '@tercet/base';

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  unixMs: () => Date.now(),
};
