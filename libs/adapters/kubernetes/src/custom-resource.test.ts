import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { servingPoolYaml } from './custom-resource.js';
import { PoolSpecSchema, poolRules } from './serving-pool.js';

const file = fileURLToPath(new URL('../../../../helm/tercet/crds/servingpools.yaml', import.meta.url));

describe('the custom resource definition', () => {
  test('that Helm installs is the one that the schemas make; write-definition.ts makes it again', () => {
    expect(readFileSync(file, 'utf8')).toBe(servingPoolYaml());
  });

  test.each([
    { name: 'all defaults', spec: {}, broken: [] },
    { name: 'no pods at all', spec: { pods: 0 }, broken: [] },
    { name: 'too few pods', spec: { pods: 2 }, broken: [/fewer than the least/] },
    {
      name: 'least above most',
      spec: { least: { decode: 2 }, most: { decode: 1 }, pods: 9 },
      broken: [/least.decode must not be above/],
    },
    { name: 'gains the wrong way round', spec: { gainMin: 0.3, urgentGain: 0.2 }, broken: [/gainMin/] },
  ])('rules between fields, as the reader applies them: $name', ({ spec, broken }) => {
    const read = PoolSpecSchema.parse({ model: 'm', ...spec });
    const messages = poolRules.filter(({ isMet }) => !isMet(read)).map(({ message }) => message);
    expect(messages).toEqual(broken.map((pattern) => expect.stringMatching(pattern)));
  });
});
