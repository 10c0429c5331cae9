/** A passage of a text that is found on its own. */
export interface Chunk {
  readonly text: string;
  /** Headings above it, outermost first; empty without one. */
  readonly heading: string;
}

/**
 * Passages of at most so many words: paragraphs together while they fit, one that is too long cut between sentences,
 * a sentence that is too long between words. A heading of Markdown begins a new passage.
 */
export function chunksOf(
  text: string,
  { words: wordsMax, isMarkdown }: { words: number; isMarkdown: boolean },
): Chunk[] {
  return sectionsOf(text, isMarkdown).flatMap(({ heading, paragraphs }) => {
    const pieces = paragraphs.flatMap((paragraph) => piecesOf(paragraph, wordsMax));
    return joined(pieces, wordsMax).map((piece) => ({ text: piece, heading }));
  });
}

interface Section {
  readonly heading: string;
  readonly paragraphs: string[];
}

function sectionsOf(text: string, isMarkdown: boolean): Section[] {
  const headings: string[] = [];
  const sections: Section[] = [{ heading: '', paragraphs: [] }];
  let inCode = false;
  for (const paragraph of text.replace(/\r\n?/g, '\n').split(/\n\s*\n/)) {
    const kept: string[] = [];
    for (const line of paragraph.split('\n')) {
      if (/^\s*(```|~~~)/.test(line)) inCode = !inCode;
      const [, marks = '', title = ''] = (isMarkdown && !inCode && /^(#{1,6})\s+(.*?)\s*#*$/.exec(line)) || [];
      if (marks === '') {
        kept.push(line);
        continue;
      }
      addParagraph(sections, kept.splice(0));
      headings.splice(marks.length - 1, headings.length, title);
      const path = Array.from(headings, (each) => each ?? '').filter((each) => each !== '');
      sections.push({ heading: path.join(' › '), paragraphs: [] });
    }
    addParagraph(sections, kept);
  }
  return sections;
}

function addParagraph(sections: readonly Section[], lines: readonly string[]): void {
  const paragraph = lines.join('\n').trim();
  if (paragraph !== '') sections.at(-1)?.paragraphs.push(paragraph);
}

function piecesOf(paragraph: string, wordsMax: number): string[] {
  if (wordsIn(paragraph) <= wordsMax) return [paragraph];
  const sentences = paragraph.split(/(?<=[.!?。！？])\s+/).flatMap((sentence) => {
    if (wordsIn(sentence) <= wordsMax) return [sentence];
    const words = sentence.split(/\s+/);
    const parts = Math.ceil(words.length / wordsMax);
    return Array.from({ length: parts }, (_, i) => words.slice(i * wordsMax, (i + 1) * wordsMax).join(' '));
  });
  return joined(sentences, wordsMax, ' ');
}

/** Neighbours together, as long as they fit. */
function joined(pieces: readonly string[], wordsMax: number, between = '\n\n'): string[] {
  const all: string[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    if (last !== undefined && wordsIn(last) + wordsIn(piece) <= wordsMax) all[all.length - 1] = last + between + piece;
    else all.push(piece);
  }
  return all;
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}
