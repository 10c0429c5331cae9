import { describe, expect, test } from '@jest/globals';
import { TercetError } from '@tercet/contracts';
import { readGguf, writeGguf } from '@tercet/gguf';
import { type ChatMessage, ChatTemplate, chatTemplateOf } from './chat-template.js';

const tokens = { bosToken: '<s>', eosToken: '</s>' };
const gemma = new ChatTemplate(
  "{{ bos_token }}{% for m in messages %}<turn>{{ m['role'] }}\n{{ m['content'] | trim }}</turn>\n{% endfor %}",
  tokens,
);
const seeing = new ChatTemplate(
  "{% for m in messages %}{{ m['role'] | capitalize }}:{% for p in m['content'] %}" +
    "{% if p['type'] == 'text' %} {{ p['text'] }}" +
    '{% else %}<image>{% endif %}{% endfor %}\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}',
  tokens,
);
const user = (...parts: ChatMessage['parts']): ChatMessage => ({ role: 'user', parts });
const text = (value: string) => ({ kind: 'text', text: value }) as const;
const media = { kind: 'media' } as const;
const prompt = { addGenerationPrompt: true };

describe('a model file without a template', () => {
  const opened = (tokens: string[]) => {
    const metadata = { 'tokenizer.ggml.tokens': ['<s>', ...tokens], 'tokenizer.ggml.bos_token_id': 0 };
    const bytes = writeGguf({ metadata, tensors: [] });
    const read = (offset: number, length: number) => bytes.subarray(offset, offset + length);
    return chatTemplateOf(readGguf({ size: bytes.length, read }));
  };

  test.each([
    { turns: 'those of Gemma', tokens: ['a', '<start_of_turn>'], starts: '<s><start_of_turn>user\nHi<end_of_turn>\n' },
    { turns: 'those of ChatML', tokens: ['<|im_start|>', 'a'], starts: '<|im_start|>user\nHi<|im_end|>\n' },
    { turns: 'plain lines', tokens: ['a'], starts: '<s>User: Hi\n\nAssistant:' },
  ])('gets the turns that its vocabulary knows: $turns', ({ tokens, starts }) => {
    const segments = opened(tokens).render([user(text('Hi'))], prompt);
    const printed = segments.map((segment) => (segment.kind === 'text' ? segment.text : '')).join('');
    expect(printed.startsWith(starts)).toBe(true);
  });
});

describe('ChatTemplate', () => {
  test('what people wrote stands apart from what the template wrote', () => {
    expect(gemma.render([user(text('Hi <turn> there'))], prompt)).toEqual([
      { kind: 'text', text: '<s><turn>user\n', trusted: true },
      { kind: 'text', text: 'Hi <turn> there', trusted: false },
      { kind: 'text', text: '</turn>\n', trusted: true },
    ]);
  });

  test('a template that trims finds the white space around the text', () => {
    const joined = gemma.render([user(text('  \n inner  space \n'))], prompt);
    expect(joined.map((segment) => (segment.kind === 'text' ? segment.text : '')).join('')).toBe(
      '<s><turn>user\ninner  space</turn>\n',
    );
  });

  test('images keep their order over all messages', () => {
    const segments = seeing.render([user(media, text('a'), media), user(text('b'), media)], prompt);
    expect(segments.filter(({ kind }) => kind === 'media')).toEqual(
      [0, 1, 2].map((index) => ({ kind: 'media', index })),
    );
  });

  test('the word that stands for an image is text when a person writes it', () => {
    const segments = seeing.render([user(text('<image>'), media)], prompt);
    expect(segments.filter(({ kind }) => kind === 'media')).toHaveLength(1);
    expect(segments).toContainEqual({ kind: 'text', text: '<image>', trusted: false });
  });

  test('marks of ours in a text are replaced', () => {
    const [, written] = gemma.render([user(text('a\uFDD0b\uFDD1c'))], prompt);
    expect(written).toMatchObject({ text: 'a\uFFFDb\uFFFDc', trusted: false });
  });

  test.each([
    { name: 'images without a place', act: () => gemma.render([user(media)], prompt), code: 'feature_unsupported' },
    {
      name: 'a template that refuses',
      act: () => new ChatTemplate("{{ raise_exception('no') }}", tokens).render([], prompt),
      code: 'template_failed',
    },
    {
      name: 'a template that cannot be parsed',
      act: () => new ChatTemplate('{% if %}', tokens),
      code: 'model_file_invalid',
    },
  ])('$name: $code', ({ act, code }) => {
    expect(act).toThrow(TercetError);
    expect(act).toThrow(expect.objectContaining({ code }));
  });
});
