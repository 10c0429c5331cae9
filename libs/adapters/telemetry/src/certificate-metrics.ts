import type { ServiceMetrics } from './service-metrics.js';
import { systemClock } from './system-clock.js';

/** Says at every scrape how long the certificate of a process still holds. */
export function watchCertificate(
  metrics: ServiceMetrics<'gateway' | 'stage'>,
  certificate: { readonly endUnixMs: number },
): void {
  metrics.onScrape(() => {
    metrics.set('tercet_certificate_left_seconds', {}, (certificate.endUnixMs - systemClock.unixMs()) / 1000);
  });
}
