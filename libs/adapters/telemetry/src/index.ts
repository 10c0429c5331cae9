export { Counter, Gauge, Histogram, Registry } from 'prom-client';
export { type AuditEntry, AuditLog } from './audit-log.js';
export { type Log, type LogFields, openLog } from './log.js';
export { systemClock } from './system-clock.js';
