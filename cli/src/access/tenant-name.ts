import { tenantNamePattern } from '@tercet/tenancy';
import { InvalidArgumentError } from 'commander';

/** Parser of the name of a tenant. */
export function tenantName(text: string): string {
  if (tenantNamePattern.test(text)) return text;
  throw new InvalidArgumentError('Must be 1 to 63 of a-z, 0-9, dot, dash and underscore, a letter or digit first.');
}
