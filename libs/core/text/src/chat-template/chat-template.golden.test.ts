import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { type ChatMessage, ChatTemplate } from './chat-template.js';

interface Golden {
  readonly name: string;
  readonly template: string;
  readonly rendered: readonly {
    readonly messages: readonly { role: ChatMessage['role']; content: readonly Part[] }[];
    readonly addGenerationPrompt: boolean;
    readonly text: string;
  }[];
}
type Part = { readonly type: 'text'; readonly text: string } | { readonly type: 'image' };

const path = fileURLToPath(new URL('../testdata/templates.json', import.meta.url));
const goldens = JSON.parse(readFileSync(path, 'utf8')) as Golden[];
/** What the templates print for an image. */
const imageMarks: Readonly<Record<string, string>> = { gemma3: '<start_of_image>' };

describe.each(goldens)('the template of $name', ({ name, template, rendered }) => {
  const chat = new ChatTemplate(template, { bosToken: '<bos>', eosToken: '<eos>' });

  test('prints conversations as transformers does', () => {
    expect(rendered.length).toBeGreaterThan(60);
    for (const { messages, addGenerationPrompt, text } of rendered) {
      const segments = chat.render(messages.map(messageOf), { addGenerationPrompt });
      const printed = segments.map((s) => (s.kind === 'text' ? s.text : (imageMarks[name] ?? '<image>'))).join('');
      expect(printed).toBe(text);
    }
  });
});

function messageOf({ role, content }: Golden['rendered'][number]['messages'][number]): ChatMessage {
  const parts = content.map((part) =>
    part.type === 'text' ? ({ kind: 'text', text: part.text } as const) : ({ kind: 'media' } as const),
  );
  return { role, parts };
}
