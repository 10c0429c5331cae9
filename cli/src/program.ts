import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { keysCommand } from './access/keys.js';
import { tenantsCommand } from './access/tenants.js';
import { batchCommand } from './batch/batch.js';
import { chatCommand } from './commands/chat.js';
import { modelsCommand } from './commands/models.js';
import { rolesCommand } from './commands/roles.js';
import { topCommand } from './commands/top.js';
import { planCommand } from './plan/plan.js';
import { exitCodes } from './terminal/failure.js';
import type { Terminal } from './terminal/terminal.js';
import { upCommand } from './up/up.js';
import { indexCommand } from './vector-index/index-command.js';

const help = `
Examples:
  tercet up                                        start everything here; prints its address
  tercet chat --image photo.jpg "What is this?"    ask about a picture
  tercet top                                       watch the pods
  tercet models list                               see which models there are

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server answers, 130 interrupted.
`;

/** The whole command line. */
export function makeProgram(terminal: Terminal): Command {
  const program = new Command('tercet')
    .description('Serves multimodal language models with encode, prefill and decode each on its own processes.')
    .version(version(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addCommand(upCommand())
    .addCommand(chatCommand(terminal))
    .addCommand(modelsCommand(terminal))
    .addCommand(topCommand(terminal))
    .addCommand(rolesCommand(terminal))
    .addCommand(planCommand(terminal))
    .addCommand(keysCommand(terminal))
    .addCommand(tenantsCommand(terminal))
    .addCommand(batchCommand(terminal))
    .addCommand(indexCommand(terminal))
    .addHelpText('after', help);
  for (const command of everyCommand(program)) prepare(command);
  return program;
}

/** Runs the command line; what commander refuses ends with the code for wrong usage. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  try {
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  }
}

function prepare(command: Command): void {
  command
    .exitOverride()
    .helpCommand(false)
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError()
    .showHelpAfterError(`See \`${fullName(command)} --help\`.`);
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
