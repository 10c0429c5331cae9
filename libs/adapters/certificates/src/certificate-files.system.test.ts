import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { CertificateSet } from '@tercet/base';
import { CertificateAuthority, type IssuedFiles, needs } from '@tercet/testing';
import { CertificateFiles } from './index.js';

const openssl = needs('openssl');

if (openssl !== undefined) {
  let folder: string;
  let first: IssuedFiles;
  let second: IssuedFiles;
  let paths: IssuedFiles;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tercet-certificates-'));
    const authority = new CertificateAuthority(openssl, folder);
    first = authority.issue('first', ['a']);
    second = authority.issue('second', ['b']);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    paths = { ca: join(folder, 'in-use.ca'), cert: join(folder, 'in-use.pem'), key: join(folder, 'in-use.key') };
    install(first);
  });

  const opened: CertificateFiles[] = [];
  afterEach(() => opened.splice(0).forEach((files) => void files[Symbol.dispose]()));

  const install = (issued: IssuedFiles, parts: readonly (keyof IssuedFiles)[] = ['ca', 'cert', 'key']) => {
    for (const part of parts) copyFileSync(issued[part], paths[part]);
  };
  const open = () => {
    const heard: { sets: CertificateSet[]; errors: string[] } = { sets: [], errors: [] };
    const onBadChange = (error: { code: string }) => void heard.errors.push(error.code);
    const files = new CertificateFiles(paths, { refreshMs: 1_000_000, onBadChange });
    files.onChange((set) => void heard.sets.push(set));
    opened.push(files);
    return { files, heard };
  };

  describe('CertificateFiles', () => {
    test('renewed files are taken, and whoever listens hears of them once', () => {
      const { files, heard } = open();
      files.refresh();
      expect(heard.sets).toEqual([]);
      install(second);
      files.refresh();
      files.refresh();
      expect(heard.sets).toHaveLength(1);
      expect(files.current.cert).toEqual(readFileSync(second.cert));
    });

    test('says when the certificate in use ends', () => {
      const { files } = open();
      const { validToDate } = new X509Certificate(readFileSync(first.cert));
      expect(files.endUnixMs).toBe(validToDate.getTime());
    });

    test('half a renewal leaves what was in use, and is told once', () => {
      const { files, heard } = open();
      install(second, ['cert']);
      files.refresh();
      files.refresh();
      expect(heard).toEqual({ sets: [], errors: ['config_invalid'] });
      expect(files.current.cert).toEqual(readFileSync(first.cert));
      install(second, ['key']);
      files.refresh();
      expect(files.current.cert).toEqual(readFileSync(second.cert));
    });

    test('a file that is gone leaves what was in use', () => {
      const { files, heard } = open();
      rmSync(paths.key);
      files.refresh();
      expect(heard.errors).toEqual(['config_invalid']);
      expect(files.current.key).toEqual(readFileSync(first.key));
    });

    test.each([
      { name: 'a file that is missing', break: () => rmSync(paths.ca) },
      { name: 'an authority that is none', break: () => writeFileSync(paths.ca, 'no certificate') },
      { name: 'a key of another certificate', break: () => install(second, ['key']) },
    ])('$name stops the start', ({ break: breakIt }) => {
      breakIt();
      expect(open).toThrow(expect.objectContaining({ code: 'config_invalid' }));
    });
  });
}
