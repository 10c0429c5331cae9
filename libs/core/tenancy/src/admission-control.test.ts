import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AdmissionControl, type Arrival, type Ask, type Ticket } from './admission-control.js';
import { type TenantLimits, unlimited } from './tenant.js';

const limits = { runningMax: 2, waitingMax: 2, agingMs: 1000, tenantsMax: 3 };
const ask = (tenant: string, bounds: Partial<TenantLimits> = {}, more: Partial<Ask> = {}): Ask => ({
  tenant,
  limits: { ...unlimited, ...bounds },
  priority: 'normal',
  tokens: 10,
  mayWait: true,
  ...more,
});
const refusal = (code: string, limit: string, retryAfterMs = 1000) => ({
  kind: 'refused',
  refusal: { code, limit, retryAfterMs },
});

function ticketOf(arrival: Arrival): Ticket {
  if (arrival.kind === 'refused') throw new Error(`refused: ${arrival.refusal.limit}`);
  return arrival.ticket;
}

describe('AdmissionControl', () => {
  test('when all room is taken a request waits, and what becomes free is its', () => {
    const control = new AdmissionControl(limits);
    const [first, , third] = ['a', 'a', 'b'].map((tenant) => ticketOf(control.arrive(ask(tenant), 0)));
    expect([control.running, control.waiting]).toEqual([2, 1]);
    expect(control.leave(first as Ticket, 10, 5)).toEqual([third]);
    expect([control.running, control.waiting]).toEqual([2, 0]);
  });

  test('a tenant whose queue is full is refused while others may still wait', () => {
    const control = new AdmissionControl(limits);
    for (let i = 0; i < 4; i++) ticketOf(control.arrive(ask('a'), 0));
    expect(control.arrive(ask('a'), 0)).toEqual(refusal('overloaded', 'runningMax'));
    expect(control.arrive(ask('b'), 0)).toMatchObject({ kind: 'waiting' });
    expect(control.arrive(ask('c', {}, { mayWait: false }), 0)).toEqual(refusal('overloaded', 'runningMax'));
  });

  test('a tenant at its own concurrency waits while there is room, and takes none from others', () => {
    const control = new AdmissionControl(limits);
    const first = ticketOf(control.arrive(ask('a', { concurrency: 1 }), 0));
    const second = control.arrive(ask('a', { concurrency: 1 }), 0);
    expect(second).toMatchObject({ kind: 'waiting' });
    expect(control.arrive(ask('b'), 0)).toMatchObject({ kind: 'running' });
    expect(control.withdraw(ticketOf(second), 0)).toMatchObject({ code: 'rate_limited', limit: 'concurrency' });
    expect(control.leave(first, 0, 0)).toEqual([]);
  });

  test('a rate that is used up refuses, and says when it is worth trying again', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 10 });
    for (let i = 0; i < 3; i++) ticketOf(control.arrive(ask('a', { requestsPerMinute: 3 }), 0));
    expect(control.arrive(ask('a', { requestsPerMinute: 3 }), 0)).toEqual(
      refusal('rate_limited', 'requestsPerMinute', 20_000),
    );
    expect(control.arrive(ask('b', { requestsPerMinute: 3 }), 0)).toMatchObject({ kind: 'running' });
    expect(control.arrive(ask('a', { requestsPerMinute: 3 }), 20_000)).toMatchObject({ kind: 'running' });
  });

  test('tokens are charged ahead and settled by what was used', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 10 });
    const bounds = { tokensPerMinute: 100 };
    const first = ticketOf(control.arrive(ask('a', bounds, { tokens: 90 }), 0));
    expect(control.arrive(ask('a', bounds, { tokens: 60 }), 0)).toEqual(
      refusal('rate_limited', 'tokensPerMinute', 30_000),
    );
    control.leave(first, 20, 0);
    expect(control.tenants(0)).toEqual([{ tenant: 'a', running: 0, waiting: 0, tokensLeft: 80 }]);
    expect(control.arrive(ask('a', bounds, { tokens: 60 }), 0)).toMatchObject({ kind: 'running' });
  });

  test('who is refused for its tokens has not used up a request', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 10 });
    const bounds = { tokensPerMinute: 10, requestsPerMinute: 2 };
    ticketOf(control.arrive(ask('a', bounds), 0));
    for (let i = 0; i < 3; i++) expect(control.arrive(ask('a', bounds), 0)).toMatchObject({ kind: 'refused' });
    expect(control.arrive(ask('a', bounds), 60_000)).toMatchObject({ kind: 'running' });
    expect(control.arrive(ask('a', { requestsPerMinute: 2 }), 60_000)).toMatchObject({ kind: 'running' });
  });

  test('who gives up waiting is charged nothing', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 1 });
    const bounds = { tokensPerMinute: 100, requestsPerMinute: 1 };
    ticketOf(control.arrive(ask('b'), 0));
    for (let i = 0; i < 3; i++) control.withdraw(ticketOf(control.arrive(ask('a', bounds, { tokens: 100 }), 0)), 0);
    expect(control.tenants(0)).toContainEqual({ tenant: 'a', running: 0, waiting: 0, tokensLeft: 100 });
  });

  test('limits that were changed hold from the next request on', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 10 });
    ticketOf(control.arrive(ask('a', { concurrency: 1 }), 0));
    expect(control.arrive(ask('a', { concurrency: 2 }), 0)).toMatchObject({ kind: 'running' });
    expect(control.arrive(ask('a', { concurrency: 1 }), 0)).toMatchObject({ kind: 'waiting' });
    expect(control.arrive(ask('a', { requestsPerMinute: 1 }), 0)).toMatchObject({ kind: 'running' });
    expect(control.arrive(ask('a', { requestsPerMinute: 1 }), 0)).toMatchObject({ kind: 'refused' });
    expect(control.arrive(ask('a'), 0)).toMatchObject({ kind: 'running' });
  });

  test('tenants without a history make room for new ones; those with one do not', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 10 });
    const debtor = ticketOf(control.arrive(ask('debtor', { tokensPerMinute: 10 }), 0));
    control.leave(debtor, 20, 0);
    control.leave(ticketOf(control.arrive(ask('gone'), 0)), 1, 0);
    ticketOf(control.arrive(ask('here'), 0));
    ticketOf(control.arrive(ask('new'), 0));
    expect(control.tenants(0).map(({ tenant }) => tenant)).toEqual(['debtor', 'here', 'new']);
    expect(control.arrive(ask('one more'), 0)).toEqual(refusal('overloaded', 'tenantsMax'));
  });

  test('under overload, tenants get tokens by their weights, whatever their requests are like', () => {
    const control = new AdmissionControl({ ...limits, runningMax: 4, waitingMax: 8 });
    const weights = { a: 1, b: 2, c: 3 };
    // a sends few and large requests, which take half of what they are charged; c sends many small ones.
    const sizes = { a: 400, b: 100, c: 10 };
    const used = { a: 0, b: 0, c: 0 };
    const running: Ticket[] = [];
    for (let now = 0; now < 30_000; now += 10) {
      for (const tenant of ['a', 'b', 'c'] as const) {
        const arrival = control.arrive(ask(tenant, { weight: weights[tenant] }, { tokens: sizes[tenant] }), now);
        if (arrival.kind === 'running') running.push(arrival.ticket);
      }
      const ticket = running.shift() as Ticket;
      const took = ticket.tenant === 'a' ? ticket.cost / 2 : ticket.cost;
      used[ticket.tenant as keyof typeof used] += took;
      running.push(...control.leave(ticket, took, now));
    }
    const perWeight = Object.entries(used).map(([tenant, tokens]) => tokens / weights[tenant as keyof typeof used]);
    expect(Math.max(...perWeight) / Math.min(...perWeight)).toBeLessThan(1.1);
  });
});

/** Slow and obvious: who is where, and what was charged. */
interface Model {
  readonly running: Map<Ticket, string>;
  readonly waiting: Map<Ticket, string>;
  readonly refused: number[];
  arrived: number;
  left: number;
  nowMs: number;
}

interface Real {
  readonly control: AdmissionControl;
}

const tenantLimits: Readonly<Record<string, TenantLimits>> = {
  a: { ...unlimited, concurrency: 2, weight: 3 },
  b: { ...unlimited, requestsPerMinute: 5, priority: 'high' },
  c: { ...unlimited, tokensPerMinute: 200, priority: 'low' },
};
const modelLimits = { runningMax: 3, waitingMax: 2, agingMs: 500, tenantsMax: 8 };
const countOf = (of: Map<Ticket, string>, tenant: string) => [...of.values()].filter((t) => t === tenant).length;

function checkInvariants(model: Model, { control }: Real): void {
  expect([control.running, control.waiting]).toEqual([model.running.size, model.waiting.size]);
  expect(model.arrived).toBe(model.running.size + model.waiting.size + model.left + model.refused.length);
  expect(control.running).toBeLessThanOrEqual(modelLimits.runningMax);
  for (const [tenant, { concurrency = Number.POSITIVE_INFINITY }] of Object.entries(tenantLimits)) {
    expect(countOf(model.running, tenant)).toBeLessThanOrEqual(concurrency);
    expect(countOf(model.waiting, tenant)).toBeLessThanOrEqual(modelLimits.waitingMax);
    // Nobody waits who could run.
    const couldRun = control.running < modelLimits.runningMax && countOf(model.running, tenant) < concurrency;
    if (couldRun) expect(countOf(model.waiting, tenant)).toBe(0);
  }
}

class Arrive implements fc.Command<Model, Real> {
  constructor(
    readonly tenant: string,
    readonly tokens: number,
    readonly mayWait: boolean,
  ) {}

  check(): boolean {
    return true;
  }

  run(model: Model, real: Real): void {
    const { tenant, tokens, mayWait } = this;
    const bounds = tenantLimits[tenant] as TenantLimits;
    const asked = { tenant, limits: bounds, priority: bounds.priority, tokens, mayWait };
    const arrival = real.control.arrive(asked, model.nowMs);
    model.arrived++;
    if (arrival.kind === 'running') model.running.set(arrival.ticket, tenant);
    else if (arrival.kind === 'waiting') {
      expect(mayWait).toBe(true);
      model.waiting.set(arrival.ticket, tenant);
    } else {
      const { code, retryAfterMs } = arrival.refusal;
      expect(retryAfterMs).toBeGreaterThan(0);
      if (code === 'overloaded') expect(real.control.running).toBe(modelLimits.runningMax);
      model.refused.push(retryAfterMs);
    }
    checkInvariants(model, real);
  }

  toString(): string {
    return `arrive(${this.tenant}, ${this.tokens})`;
  }
}

class Leave implements fc.Command<Model, Real> {
  constructor(
    readonly pick: number,
    readonly used: number,
  ) {}

  check({ running }: Readonly<Model>): boolean {
    return running.size > 0;
  }

  run(model: Model, real: Real): void {
    const ticket = [...model.running.keys()][this.pick % model.running.size] as Ticket;
    model.running.delete(ticket);
    model.left++;
    for (const next of real.control.leave(ticket, this.used, model.nowMs)) {
      expect(model.waiting.has(next)).toBe(true);
      model.running.set(next, next.tenant);
      model.waiting.delete(next);
    }
    checkInvariants(model, real);
  }

  toString(): string {
    return `leave(${this.pick}, ${this.used})`;
  }
}

class Withdraw implements fc.Command<Model, Real> {
  constructor(readonly pick: number) {}

  check({ waiting }: Readonly<Model>): boolean {
    return waiting.size > 0;
  }

  run(model: Model, real: Real): void {
    const ticket = [...model.waiting.keys()][this.pick % model.waiting.size] as Ticket;
    model.waiting.delete(ticket);
    model.left++;
    real.control.withdraw(ticket, model.nowMs);
    checkInvariants(model, real);
  }

  toString(): string {
    return `withdraw(${this.pick})`;
  }
}

class Pass implements fc.Command<Model, Real> {
  constructor(readonly ms: number) {}

  check(): boolean {
    return true;
  }

  run(model: Model): void {
    model.nowMs += this.ms;
  }

  toString(): string {
    return `pass(${this.ms})`;
  }
}

test('every request is in one place, bounds hold, and nobody waits who could run', () => {
  const commands = [
    fc
      .tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 300 }), fc.boolean())
      .map((args) => new Arrive(...args)),
    fc.tuple(fc.nat(9), fc.nat(400)).map((args) => new Leave(...args)),
    fc.nat(9).map((pick) => new Withdraw(pick)),
    fc.nat(20_000).map((ms) => new Pass(ms)),
  ];
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 80 }), (run) => {
      const empty = { running: new Map(), waiting: new Map(), refused: [], arrived: 0, left: 0, nowMs: 0 };
      fc.modelRun(() => ({ model: empty, real: { control: new AdmissionControl(modelLimits) } }), run);
    }),
    { numRuns: 200 },
  );
});
