// A little Markdown, written as text nodes: nothing that a model says becomes markup.

/** Paragraphs, fenced code, `code`, **strong** and *emphasis*. */
export function renderMarkdown(text, into) {
  const blocks = text.split(/```[^\n]*\n?/);
  into.replaceChildren(...blocks.flatMap((block, index) => (index % 2 === 1 ? [codeBlock(block)] : paragraphs(block))));
}

function codeBlock(text) {
  const pre = document.createElement('pre');
  pre.append(inElement('code', text.replace(/\n$/, '')));
  return pre;
}

function paragraphs(text) {
  return text
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => {
      const p = document.createElement('p');
      for (const [index, line] of paragraph.trim().split('\n').entries()) {
        if (index > 0) p.append(document.createElement('br'));
        p.append(...spans(line));
      }
      return p;
    });
}

function spans(line) {
  return line.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).map((part) => {
    if (/^`.+`$/.test(part)) return inElement('code', part.slice(1, -1));
    if (/^\*\*.+\*\*$/.test(part)) return inElement('strong', part.slice(2, -2));
    if (/^\*.+\*$/.test(part)) return inElement('em', part.slice(1, -1));
    return document.createTextNode(part);
  });
}

function inElement(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
