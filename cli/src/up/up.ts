import { once } from 'node:events';
import { Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { numberFrom, objectivesFrom } from '../commands/options.js';
import { stateFolder } from '../config.js';
import { explain } from '../terminal/failure.js';
import { openTerminal } from '../terminal/terminal.js';
import { lacksTemplate, readAhead, resolveModels } from './models.js';
import { Supervisor } from './supervisor.js';
import { type UpOptions, usableCores } from './topology.js';

/** `tercet up`: the whole system on this machine, until Ctrl-C. */
export function upCommand(): Command {
  return new Command('up')
    .description('Start the whole system on this machine: encode, prefill, decode and the gateway.')
    .option('-m, --model <name...>', 'models to serve: names of the catalog or GGUF files', ['tercet-tiny'])
    .option('--encode <n>', 'encode processes', count(0), 1)
    .option('--prefill <n>', 'prefill processes', count(1), 1)
    .option('--decode <n>', 'decode processes', count(1), 1)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <n>', 'HTTP port: page and OpenAI API', count(0), 8080)
    .option('--grpc-port <n>', 'gRPC port', count(0), 8081)
    .option('--cores <n>', 'cores that all stages share', count(1), usableCores())
    .option('--context <tokens>', 'tokens of prompt and answer together', count(64), 4096)
    .option('--slots <n>', 'sequences that one process holds at a time', count(1), 16)
    .option('--requests <n>', 'requests that run at a time; one more is refused with 429', count(1), 128)
    .option('--allow-private-addresses', 'let image URLs lead to private addresses', false)
    .option('--require-keys', 'answer only requests with an API key; see `tercet keys`', false)
    .option('--trace-endpoint <url>', 'where traces go, OTLP over HTTP: http://127.0.0.1:4318/v1/traces')
    .option('--trace-ratio <share>', 'share of the requests that are traced', numberFrom(0, 1), 1)
    .addOption(policyOption())
    .addOption(objectivesOption())
    .option('--no-shared-memory', 'send tensors between stages through sockets')
    .addHelpText('after', '\nExamples:\n  tercet up\n  tercet up --encode 2 --prefill 1 --decode 2 --port 9000\n')
    .action(async (options: Options) => {
      process.exitCode = await up(options);
    });
}

function policyOption(): Option {
  const about = 'whether processes change their stage with the load: auto; recommend only says; manual does neither';
  return new Option('--controller <policy>', about).choices(['auto', 'recommend', 'manual']).default('recommend');
}

function objectivesOption(): Option {
  const option = new Option('--slo <objectives>', 'latency that the controller aims for');
  return option.argParser(objectivesFrom).default({ ttftMs: 1000, tpotMs: 100 }, 'ttft=1000,tpot=100');
}

interface Options extends Omit<UpOptions, 'contextTokensMax'> {
  readonly model: string[];
  readonly context: number;
}

async function up(options: Options): Promise<number> {
  const say = (text: string) => process.stderr.write(`${text}\n`);
  try {
    const models = await resolveModels(options.model);
    for (const model of models.filter(lacksTemplate)) {
      say(`${model.name} has no chat template: it continues text, and its answers to a chat may ramble`);
    }
    const startedMs = performance.now();
    readAhead(models);
    const up = { ...options, contextTokensMax: options.context };
    await using supervisor = await Supervisor.start({ up, models, folder: stateFolder(), notify: say });
    const stop = AbortSignal.any([signalled('SIGINT'), signalled('SIGTERM'), signalled('SIGHUP')]);
    say(`starting ${supervisor.processes.map(({ name }) => name).join(', ')} …`);
    await Promise.race([supervisor.ready(stop), once(stop, 'abort')]);
    if (stop.aborted) return 130;
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    say(
      `${pc.green('ready')} in ${seconds} s, ${models.map(({ name }) => name).join(', ')}; log: ${supervisor.logPath}`,
    );
    process.stdout.write(`${supervisor.url}\n`);
    await Promise.race([supervisor.failed, once(stop, 'abort')]);
    say('stopping …');
    return 0;
  } catch (error) {
    return explain(openTerminal(), error);
  }
}

function signalled(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): AbortSignal {
  const abort = new AbortController();
  process.once(name, () => abort.abort());
  return abort.signal;
}

/** A whole number from `min` on. */
function count(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min)
      throw new InvalidArgumentError(`must be a whole number from ${min} on.`);
    return value;
  };
}
