import { TercetError } from '@tercet/contracts';
import type { Rule } from './automaton.js';
import { checkRules } from './check-rules.js';
import { jsonObjectRule } from './json-text.js';
import { schemaRule } from './schema-grammar.js';
import type { Json } from './schema-keywords.js';

const schemaLengthMax = 1 << 18;

/**
 * The rule of a grammar as requests name it: `json` for any JSON object, or a JSON schema. @throws grammar_unsupported
 */
export function compileGrammar(grammar: string): Rule {
  if (grammar === 'json') return jsonObjectRule;
  if (grammar.length > schemaLengthMax) {
    throw new TercetError('grammar_unsupported', { reason: 'too large', length: grammar.length, schemaLengthMax });
  }
  const rule = schemaRule(parsed(grammar));
  checkRules(rule);
  return rule;
}

/**
 * Refuses a grammar before a request costs anything. Empty text is no grammar, and fine. @throws grammar_unsupported
 */
export function checkGrammar(grammar: string): void {
  if (grammar !== '') compileGrammar(grammar);
}

function parsed(grammar: string): Json {
  try {
    return JSON.parse(grammar) as Json;
  } catch (cause) {
    throw new TercetError('grammar_unsupported', { reason: 'neither "json" nor a JSON schema' }, { cause });
  }
}
