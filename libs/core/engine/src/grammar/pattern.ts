import { TercetError } from '@tercet/contracts';
import { anyOf, type Fragment, nothing, repeat, sequence } from './automaton.js';
import { type CodePoints, codePointsOf, complementOf, everyCodePoint } from './code-points.js';
import { inSet } from './string-text.js';

/**
 * Strings that an ECMAScript regular expression finds a match in, as an automaton over characters. Without what looks
 * around, refers back or depends on flags.
 * @throws grammar_unsupported
 */
export function patternText(pattern: string): Fragment {
  return new PatternReader(pattern).read();
}

const forever = Number.POSITIVE_INFINITY;
/** Copies that a counted part may have. */
const timesMax = 1000;
const digit = codePointsOf([0x30, 0x39]);
const word = codePointsOf([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]);
const space = codePointsOf(
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
);
const notLineEnd = complementOf(codePointsOf([0x0a, 0x0a], [0x0d, 0x0d], [0x2028, 0x2029]));
const controls: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, f: 12, v: 11, '0': 0 };
const classes: Readonly<Record<string, CodePoints>> = {
  d: digit,
  D: complementOf(digit),
  w: word,
  W: complementOf(word),
  s: space,
  S: complementOf(space),
};

type Atom = { readonly set: CodePoints } | { readonly part: Fragment };

class PatternReader {
  readonly #pattern: string;
  readonly #characters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#characters = Array.from(pattern);
    // The platform's own parser says what is no pattern at all.
    try {
      new RegExp(pattern, 'u');
    } catch {
      this.#refuse('not a regular expression');
    }
  }

  read(): Fragment {
    const anyText = repeat(inSet(everyCodePoint), { min: 0, max: forever });
    const parts = [this.#searched(anyText)];
    while (this.#take('|')) parts.push(this.#searched(anyText));
    if (this.#at < this.#characters.length) this.#refuse('not a regular expression');
    return anyOf(...parts);
  }

  /** One alternative of the outermost level, where anchors may stand. */
  #searched(anyText: Fragment): Fragment {
    const before = this.#take('^') ? nothing : anyText;
    const body = this.#sequence();
    const after = this.#take('$') ? nothing : anyText;
    return sequence(before, body, after);
  }

  #alternatives(): Fragment {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return anyOf(...parts);
  }

  #sequence(): Fragment {
    const parts: Fragment[] = [];
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next === '|' || next === ')') break;
      if (next === '^' || (next === '$' && !this.#isLastAnchor())) this.#refuse('an anchor within');
      if (next === '$') break;
      parts.push(this.#quantified(this.#atom()));
    }
    return sequence(...parts);
  }

  #isLastAnchor(): boolean {
    const after = this.#characters[this.#at + 1];
    return this.#depth === 0 && (after === undefined || after === '|');
  }

  #quantified(atom: Atom): Fragment {
    const times = this.#times();
    if (times !== undefined) this.#take('?');
    const range = times ?? { min: 1, max: 1 };
    return repeat('set' in atom ? inSet(atom.set) : atom.part, range);
  }

  #times(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: forever };
    if (this.#take('+')) return { min: 1, max: forever };
    if (this.#take('?')) return { min: 0, max: 1 };
    const counted = /^\{(\d+)(,?)(\d*)\}/.exec(this.#characters.slice(this.#at, this.#at + 32).join(''));
    if (counted === null) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === '' ? min : counted[3] === '' ? forever : Number(counted[3]);
    if (min > timesMax || (max !== forever && max > timesMax)) this.#refuse('a large count');
    return { min, max };
  }

  #atom(): Atom {
    const atom = this.#anyAtom();
    if ('set' in atom && atom.set.length === 0) this.#refuse('a set without characters');
    return atom;
  }

  #anyAtom(): Atom {
    const next = this.#next();
    if (next === '.') return { set: notLineEnd };
    if (next === '[') return { set: this.#set() };
    if (next === '\\') return { set: this.#escape() };
    if (next === '(') return { part: this.#group() };
    return { set: oneOf(next.codePointAt(0) as number) };
  }

  #group(): Fragment {
    if (this.#take('?')) {
      if (this.#peek() === '<' && /[A-Za-z_$]/.test(this.#characters[this.#at + 1] ?? '')) {
        while (this.#next() !== '>');
      } else if (!this.#take(':')) this.#refuse('a look around, or flags');
    }
    this.#depth++;
    const part = this.#alternatives();
    this.#depth--;
    if (!this.#take(')')) this.#refuse('not a regular expression');
    return part;
  }

  #set(): CodePoints {
    const isComplement = this.#take('^');
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take(']')) {
      const first = this.#setMember();
      const single = first.length === 1 && first[0]?.[0] === first[0]?.[1] ? first[0]?.[0] : undefined;
      if (single !== undefined && this.#peek() === '-' && this.#characters[this.#at + 1] !== ']') {
        this.#next();
        const last = this.#setMember()[0]?.[1];
        ranges.push([single, last as number]);
      } else ranges.push(...first);
    }
    const set = codePointsOf(...ranges);
    return isComplement ? complementOf(set) : set;
  }

  #setMember(): CodePoints {
    const next = this.#next();
    if (next !== '\\') return oneOf(next.codePointAt(0) as number);
    return this.#take('b') ? oneOf(8) : this.#escape();
  }

  #escape(): CodePoints {
    const next = this.#next();
    const known = classes[next];
    if (known !== undefined) return known;
    const control = controls[next];
    if (control !== undefined) return oneOf(control);
    if (next === 'x') return oneOf(this.#hex(2));
    if (next === 'u') return oneOf(this.#take('{') ? this.#hexUntilBrace() : this.#hex(4));
    if (/[A-Za-z0-9]/.test(next)) this.#refuse(`\\${next}`);
    return oneOf(next.codePointAt(0) as number);
  }

  #hex(digits: number): number {
    let text = '';
    while (text.length < digits) text += this.#next();
    const code = Number.parseInt(text, 16);
    if (code >= 0xd800 && code <= 0xdfff) this.#refuse('half a surrogate pair');
    return code;
  }

  #hexUntilBrace(): number {
    let text = '';
    for (let next = this.#next(); next !== '}'; next = this.#next()) text += next;
    return Number.parseInt(text, 16);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const next = this.#characters[this.#at++];
    return next ?? this.#refuse('not a regular expression');
  }

  #take(character: string): boolean {
    if (this.#characters[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #refuse(reason: string): never {
    throw new TercetError('grammar_unsupported', { keyword: 'pattern', reason, patternLength: this.#pattern.length });
  }
}

function oneOf(codePoint: number): CodePoints {
  return codePointsOf([codePoint, codePoint]);
}
