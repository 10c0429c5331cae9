export type { Address } from './http-get.js';
export { MediaFetcher, type MediaFetcherOptions } from './media-fetcher.js';
