/** From the one that goes first. */
export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** What a key allows. `inference`: models and answers. `admin`: what shows or changes the system itself. */
export const scopes = ['inference', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** What a tenant may use at most, and its part of what there is when there is not enough. An absent bound is none. */
export interface TenantLimits {
  readonly requestsPerMinute?: number;
  /** Of prompts and answers together. */
  readonly tokensPerMinute?: number;
  /** Requests that run at a time. */
  readonly concurrency?: number;
  readonly priority: Priority;
  /** Under overload, tenants of one priority get tokens in proportion to their weights. */
  readonly weight: number;
}

/** Whoever shares limits, an order of precedence and caches: a team, a customer, an application. */
export interface Tenant extends TenantLimits {
  readonly name: string;
}

/** Lower case, so that two names never differ by their case alone. */
export const tenantNamePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Limits of a tenant for whom none were set. */
export const unlimited: TenantLimits = { priority: 'normal', weight: 1 };

/** The tenant of requests without a key, where none is required. No key can name it. */
export const anonymous = '';

/** The one of both that goes later. */
export function lowerPriority(a: Priority, b: Priority): Priority {
  return priorities.indexOf(a) > priorities.indexOf(b) ? a : b;
}
