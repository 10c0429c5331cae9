import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { z } from 'zod';
import { loadConfig, maskSecrets } from './load-config.js';

const schema = z.strictObject({
  stepTokensMax: z.int().min(1).default(512),
  model: z.strictObject({ name: z.string(), path: z.string().default('') }),
});

function load(environment: Record<string, string>) {
  return loadConfig(schema, { environment, section: 'STAGE' });
}

function refusal(environment: Record<string, string>): string {
  try {
    load(environment);
  } catch (error) {
    expect((error as TercetError).code).toBe('config_invalid');
    return (error as TercetError).message;
  }
  throw new Error('was not refused');
}

describe('loadConfig', () => {
  test('defaults hold where the environment is silent, names become camel case', () => {
    const config = load({ TERCET__STAGE__MODEL__NAME: 'tiny', TERCET__STAGE__STEP_TOKENS_MAX: '64', PATH: '/x' });
    expect(config).toEqual({ stepTokensMax: 64, model: { name: 'tiny', path: '' } });
    expect(Object.isFrozen(config.model)).toBe(true);
  });

  test.each([
    { name: 'zero', value: '0', says: 'stepTokensMax' },
    { name: 'a unit', value: '8k', says: 'stepTokensMax' },
    { name: 'a fraction', value: '1.5', says: 'stepTokensMax' },
  ])('$name stops the start', ({ value, says }) =>
    expect(refusal({ TERCET__STAGE__MODEL__NAME: 'tiny', TERCET__STAGE__STEP_TOKENS_MAX: value })).toContain(says),
  );

  test('a misspelt key stops the start', () =>
    expect(refusal({ TERCET__STAGE__MODEL__NAME: 'tiny', TERCET__STAGE__MODEL__PAHT: '/m' })).toContain('paht'));

  test('a file that is not there is named', () =>
    expect(() => loadConfig(schema, { environment: {}, section: 'STAGE', file: '/no/such.json' })).toThrow(
      TercetError,
    ));

  test('secrets are not printed', () =>
    expect(maskSecrets({ apiKey: 'abc', list: [{ password: 'x', name: 'n' }] })).toEqual({
      apiKey: '***',
      list: [{ password: '***', name: 'n' }],
    }));
});
