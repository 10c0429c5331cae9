// Rules of style that no linter knows: lengths, where the environment and the clock may be read, names of folders, and
// what must never stand in a file of this repository.

const sourceOfOurs = /^(libs|services|cli|deploy|bench|web|test|scripts|native|docs|\.ci)\//;
const code = /\.(ts|mjs|cjs|js|cpp|h|hpp|c|py)$/;
const pureLayers = /^libs\/(base|contracts|core)\//;
const emptyWords = new Set(['utils', 'util', 'common', 'helpers', 'managers', 'shared']);
const hosts = [
  'registry.npmjs' + '.org',
  'pypi' + '.org/simple',
  'files.pythonhosted' + '.org',
  'registry.yarnpkg' + '.com',
];
const machinePaths = ['/wo' + 'rk/main', '/wo' + 'rk/cache', '/wo' + 'rk/shared', '/ro' + 'ot/'];

/**
 * Everything that is wrong with one file.
 * @param {string} path relative to the root, with `/`
 * @param {string} text
 * @returns {{rule: string, line: number, message: string}[]}
 */
export function tidyProblems(path, text) {
  const problems = [];
  const lines = text.split('\n');
  const report = (rule, line, message) => problems.push({ rule, line, message });
  const folder = path
    .split('/')
    .slice(0, -1)
    .find((part) => emptyWords.has(part));
  if (folder !== undefined && sourceOfOurs.test(path)) report('folder-name', 1, `'${folder}' says nothing`);
  if (sourceOfOurs.test(path) && code.test(path)) checkCode(path, lines, report);
  lines.forEach((line, index) => {
    for (const word of [...hosts, ...machinePaths]) {
      if (line.includes(word)) report('leak', index + 1, `'${word}' must not stand in the repository`);
    }
  });
  return problems;
}

function checkCode(path, lines, report) {
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (count > 400) report('file-length', 401, `${count} lines, at most 400`);
  const isTest = /\.test\.ts$/.test(path);
  const mayReadEnv = /(^|\/)config\.ts$/.test(path) || isTest || !/^(libs|services|cli|web)\//.test(path);
  lines.forEach((line, index) => {
    if (line.length > 120) report('line-length', index + 1, `${line.length} characters, at most 120`);
    if (!mayReadEnv && /\bprocess\.env\b/.test(line))
      report('environment', index + 1, 'process.env is for config.ts only');
    if (pureLayers.test(path) && !isTest && /\b(Date\.now|Math\.random|performance\.now)\b|\bnew Date\(\)/.test(line)) {
      report('clock', index + 1, 'core code takes its clock and randomness as arguments');
    }
  });
}
