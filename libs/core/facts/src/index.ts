export { type CacheChange, FactJournal, type FactJournalOptions } from './fact-journal.js';
export { type Applied, PodFacts, type PodFactsOptions } from './pod-facts.js';
