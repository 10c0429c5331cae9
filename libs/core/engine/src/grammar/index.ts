export { checkGrammar } from './compile-grammar.js';
export { GrammarMask } from './grammar-mask.js';
export { Grammars, type GrammarTokens } from './grammars.js';
