export type {
  ClaimedLine,
  ControlStore,
  FileStore,
  JobLine,
  JobStore,
  Lease,
  LineResult,
  Page,
  PageQuery,
} from './control-store.js';
export { InputCheck, type InputLimits } from './input-check.js';
export {
  cancelled,
  hasAllResults,
  type InputError,
  isEnding,
  isFinal,
  type Job,
  type JobState,
  type LineCounts,
  type LineOutcome,
  type NewJob,
  newJob,
  type ResultFiles,
  settled,
  validated,
  withResults,
} from './job.js';
export { MemoryControlStore } from './memory-control-store.js';
export { type FilePurpose, type FileSource, isGone, namesOf, resultFiles, type StoredFile } from './stored-file.js';
