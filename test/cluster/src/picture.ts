import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A chat about a picture of the model's own test set, whose answer is known. */
export function pictureQuestion(): { readonly body: object; readonly answer: RegExp } {
  const file = fileURLToPath(new URL('../../../models/tiny/eval/pictures/000.png', import.meta.url));
  const url = `data:image/png;base64,${readFileSync(file).toString('base64')}`;
  const content = [
    { type: 'image_url', image_url: { url } },
    { type: 'text', text: 'What color is the circle?' },
  ];
  return { body: { messages: [{ role: 'user', content }] }, answer: /cyan/i };
}
