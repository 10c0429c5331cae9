import { z } from 'zod';
import { FilterBody } from './filter-body.js';

/** What a chat asks of a collection before it is answered. */
export const RetrievalBody = z.strictObject({
  collection: z.string(),
  /** Absent: the text of the last user message. */
  query: z.string().min(1).optional(),
  k: z.int().min(1).max(64).default(4),
  filter: FilterBody.nullish(),
  hybrid: z.boolean().default(false),
  diversity: z.number().min(0).lt(1).default(0),
});
export type RetrievalBody = z.infer<typeof RetrievalBody>;
