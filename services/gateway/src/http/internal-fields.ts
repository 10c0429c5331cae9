import { TercetError } from '@tercet/contracts';

/**
 * What services tell each other about a request, and what engines behind a router take in the body of one. Whoever may
 * set them chooses pods, reads the KV of others or goes first, so they never come in through the public port. Schemas
 * refuse names that they do not know; these are refused whatever a schema comes to know.
 */
export const internalFields: readonly string[] = [
  // Of our own protocol: proto/tercet/v1/common.proto, prefill.proto, decode.proto.
  'context',
  'request_id',
  'attempt',
  'deadline_unix_ms',
  'role',
  'epoch',
  'tenant',
  'traceparent',
  'priority',
  'route',
  'plan',
  'pods',
  'lease',
  'kv_lease',
  'media',
  'token_ids',
  'generated_tokens',
  'discard_kv',
  // vLLM's connectors and its router.
  'kv_transfer_params',
  'ec_transfer_params',
  'do_remote_prefill',
  'do_remote_decode',
  'data_parallel_rank',
  'vllm_xargs',
  // SGLang's disaggregation.
  'bootstrap_host',
  'bootstrap_port',
  'bootstrap_room',
  'disagg_prefill_dp_rank',
  'routed_dp_rank',
];

const refused = new Set(internalFields);

/** @throws invalid_request that names the field when a body holds one that only the system may set */
export function refuseInternalFields(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  const param = Object.keys(body).find((name) => refused.has(name.toLowerCase()) || /^bootstrap_/i.test(name));
  if (param !== undefined) throw new TercetError('invalid_request', { param, reason: 'only the system sets this' });
}
