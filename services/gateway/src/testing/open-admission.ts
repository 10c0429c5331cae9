import type { Clock } from '@tercet/base';
import { anonymous, type TenantLimits, unlimited } from '@tercet/tenancy';
import { Admission, type Place } from '../pipeline/admission.js';

const never = new AbortController().signal;

/** Room for so many requests, of tenants without limits where none are given. */
export function openAdmission(runningMax: number, clock: Clock, tenantLimits: TenantLimits = unlimited): Admission {
  return new Admission({
    limits: { runningMax, waitingMax: 8, agingMs: 1000, tenantsMax: 16 },
    waitMsMax: 1000,
    limitsOf: () => tenantLimits,
    clock,
  });
}

/**
 * A place for a request, of nobody in particular where no tenant is named.
 * @throws overloaded, rate_limited, shutting_down
 */
export function placeIn(
  admission: Pick<Admission, 'enter'>,
  { tenant = anonymous, tokens = 1 }: { tenant?: string; tokens?: number } = {},
): Promise<Place> {
  return admission.enter({ tenant, tokens }, never);
}
