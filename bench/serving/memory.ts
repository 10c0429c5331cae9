import { existsSync, readFileSync } from 'node:fs';

export interface ProcessMemory {
  readonly name: string;
  /** Everything that the process has in memory, shared pages counted whole. */
  readonly residentBytes: number;
  /** The same with shared pages divided among those that share them: these figures add up. */
  readonly proportionalBytes: number;
  /** Pages of the weight files, as this process maps them. */
  readonly weightBytes: number;
  readonly weightProportionalBytes: number;
}

/** Memory of processes, from Linux's `/proc`; empty on other systems. */
export function memoryOf(processes: ReadonlyMap<string, number>): ProcessMemory[] {
  return [...processes].flatMap(([name, pid]) => {
    const path = `/proc/${pid}/smaps`;
    if (!existsSync(path)) return [];
    const all = { resident: 0, proportional: 0 };
    const weights = { resident: 0, proportional: 0 };
    let mapsWeights = false;
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      if (/^[0-9a-f]+-[0-9a-f]+ /.test(line)) mapsWeights = line.endsWith('.gguf');
      const [, field, kilobytes] = /^(Rss|Pss): +(\d+) kB/.exec(line) ?? [];
      if (field === undefined) continue;
      const part = field === 'Rss' ? 'resident' : 'proportional';
      all[part] += Number(kilobytes) * 1024;
      if (mapsWeights) weights[part] += Number(kilobytes) * 1024;
    }
    const own = { residentBytes: all.resident, proportionalBytes: all.proportional };
    return [{ name, ...own, weightBytes: weights.resident, weightProportionalBytes: weights.proportional }];
  });
}

/** Prints one line a process and one for all; returns the sums. */
export function reportMemory(memory: readonly ProcessMemory[], say: (line: string) => void): Record<string, number> {
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0).padStart(5)} MiB`;
  for (const { name, residentBytes, proportionalBytes, weightBytes } of memory) {
    const parts = `resident ${mebibytes(residentBytes)}, proportional ${mebibytes(proportionalBytes)}`;
    say(`  ${name.padEnd(12)} ${parts}, of it weights mapped ${mebibytes(weightBytes)}`);
  }
  const sum = (of: (process: ProcessMemory) => number) => memory.reduce((total, process) => total + of(process), 0);
  const proportional = sum(({ proportionalBytes }) => proportionalBytes);
  const weights = sum(({ weightProportionalBytes }) => weightProportionalBytes);
  say(`  together     proportional ${mebibytes(proportional)}, of it weights ${mebibytes(weights)} (once per machine)`);
  const largest = Math.max(0, ...memory.map(({ residentBytes }) => residentBytes));
  return { systemPssBytes: proportional, weightsPssBytes: weights, largestResidentBytes: largest };
}
