import type { Clock } from '@tercet/base';
import { anonymous, unlimited } from '@tercet/tenancy';
import { Admission, type Place } from '../pipeline/admission.js';

const never = new AbortController().signal;

/** Room for so many requests, of tenants without limits. */
export function openAdmission(runningMax: number, clock: Clock): Admission {
  return new Admission({
    limits: { runningMax, waitingMax: 8, agingMs: 1000, tenantsMax: 16 },
    waitMsMax: 1000,
    limitsOf: () => unlimited,
    clock,
  });
}

/** A place for a request of nobody in particular. @throws overloaded, shutting_down */
export function placeIn(admission: Pick<Admission, 'enter'>): Promise<Place> {
  return admission.enter({ tenant: anonymous, tokens: 1 }, never);
}
