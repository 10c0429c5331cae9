import { Command } from 'commander';
import { upCommand } from './up/up.js';

const program = new Command('tercet')
  .description('Serves multimodal language models with encode, prefill and decode each on its own processes.')
  .version('0.1.0')
  .addCommand(upCommand());

await program.parseAsync();
