import { TercetError } from '@tercet/contracts';

/** What the clients call a broker that knows us and says no. */
const refusals =
  /SASLAuthentication|PLT_KFK_AUTHENTICATION|SASL_AUTHENTICATION_FAILED|AUTHORIZATION_FAILED|UNSUPPORTED_SASL|SASL_/i;
const tooLarge = /MESSAGE_TOO_LARGE|RECORD_LIST_TOO_LARGE/;
const depthMax = 5;

/** A client's failure in our codes: only what a person must change is not worth another try. */
export function toEventLogError(error: unknown, brokers: readonly string[]): TercetError {
  if (error instanceof TercetError) return error;
  const words = wordsOf(error);
  const details = { brokers: brokers.join(','), reason: error instanceof Error ? error.message : String(error) };
  const isRefused = refusals.test(words);
  const code = isRefused ? 'event_log_refused' : tooLarge.test(words) ? 'event_invalid' : 'event_log_unavailable';
  return new TercetError(code, details, { cause: error });
}

/** Names and codes of an error, of what caused it and of what it gathers. */
export function wordsOf(error: unknown, depth = depthMax): string {
  if (!(error instanceof Error) || depth === 0) return '';
  const { name, cause, code, type, apiId, errors } = error as Error & Record<string, unknown>;
  const inner = [cause, ...(Array.isArray(errors) ? errors : [])].map((one) => wordsOf(one, depth - 1));
  return [name, code, type, apiId, ...inner].join(' ');
}
