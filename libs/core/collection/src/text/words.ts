import { stemmer as danish } from '@orama/stemmers/danish';
import { stemmer as dutch } from '@orama/stemmers/dutch';
import { stemmer as english } from '@orama/stemmers/english';
import { stemmer as finnish } from '@orama/stemmers/finnish';
import { stemmer as french } from '@orama/stemmers/french';
import { stemmer as german } from '@orama/stemmers/german';
import { stemmer as italian } from '@orama/stemmers/italian';
import { stemmer as norwegian } from '@orama/stemmers/norwegian';
import { stemmer as portuguese } from '@orama/stemmers/portuguese';
import { stemmer as russian } from '@orama/stemmers/russian';
import { stemmer as spanish } from '@orama/stemmers/spanish';
import { stemmer as swedish } from '@orama/stemmers/swedish';

/** By language: what is left of a word without its ending. Snowball's algorithms. */
const stemmers = {
  da: danish,
  de: german,
  en: english,
  es: spanish,
  fi: finnish,
  fr: french,
  it: italian,
  nl: dutch,
  no: norwegian,
  pt: portuguese,
  ru: russian,
  sv: swedish,
} as const;

export const languages = Object.keys(stemmers);

export function isLanguage(text: string): text is keyof typeof stemmers {
  return Object.hasOwn(stemmers, text);
}

const word = /[\p{L}\p{N}\p{M}]+/gu;
/** Scripts that put no spaces between words. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}]/u;
/** A word this long is none: what is looked up would only take room. */
const wordCharsMax = 64;

/**
 * Words of a text as they are looked up: lower case, without accents' variants of writing (NFKC), without their endings
 * where the language is known. Scripts without spaces are cut by the rules of Unicode and its dictionaries.
 */
export function wordsOf(text: string, language?: string): string[] {
  const stem = language !== undefined && isLanguage(language) ? stemmers[language] : undefined;
  const plain = text.normalize('NFKC').toLowerCase();
  const words = unspaced.test(plain) ? segmented(plain) : (plain.match(word) ?? []);
  const kept = words.filter(({ length }) => length <= wordCharsMax);
  return stem === undefined ? kept : kept.map((each) => stem(each));
}

let segmenter: Intl.Segmenter | undefined;

function segmented(text: string): string[] {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'word' });
  return [...segmenter.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike === true ? [segment] : []));
}
