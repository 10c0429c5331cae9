// The reference for whole models: libllama of the same package, in a process of its own, because it keeps its own ggml
// state. `node libllama.mjs FOLDER_OF_LIBRARIES ORDER.json`; the order is {modelPath, prompt, steps, threads, out}.
// Prints the greedy tokens as JSON; writes the logits before each of them to `out`, float32 [steps, vocab].
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi from 'koffi';

const [folder, orderFile] = process.argv.slice(2);
const { modelPath, prompt, steps, repack, threads, out } = JSON.parse(readFileSync(orderFile, 'utf8'));
const open = (pattern) => {
  const name = readdirSync(folder).find((file) => pattern.test(file));
  return koffi.load(join(folder, name));
};
const base = open(/^libggml-base\./);
const ggml = open(/^libggml(\.v?[\d.]+)?\.(so|dylib)/);
const llama = open(/^libllama(\.v?[\d.]+)?\.(so|dylib)/);

koffi.struct('model_params', {
  devices: 'int64',
  overrides: 'int64',
  n_gpu_layers: 'int32',
  split_mode: 'int32',
  load_mode: 'int32',
  lazy_mode: 'int32',
  main_gpu: 'int32',
  tensor_split: 'int64',
  progress: 'int64',
  progress_data: 'int64',
  kv_overrides: 'int64',
  flags: koffi.array('uint8', 8),
});
koffi.struct('context_params', {
  n_ctx: 'uint32',
  n_batch: 'uint32',
  n_ubatch: 'uint32',
  n_seq_max: 'uint32',
  n_rs_seq: 'uint32',
  n_outputs_max: 'uint32',
  n_outputs_max_per_seq: 'uint32',
  n_threads: 'int32',
  n_threads_batch: 'int32',
  types: koffi.array('int32', 4),
  flash_attn_type: 'int32',
  floats: koffi.array('float', 6),
  yarn_orig_ctx: 'uint32',
  defrag: 'float',
  cb_eval: 'int64',
  cb_eval_data: 'int64',
  type_k: 'int32',
  type_v: 'int32',
  abort: 'int64',
  abort_data: 'int64',
  flags: koffi.array('uint8', 8),
  samplers: 'int64',
  n_samplers: 'size_t',
  ctx_other: 'int64',
});
koffi.struct('batch', {
  n_tokens: 'int32',
  token: 'int64',
  embd: 'int64',
  pos: 'int64',
  n_seq_id: 'int64',
  seq_id: 'int64',
  logits: 'int64',
});

const silent = koffi.proto('void silent(int level, const char *text, void *data)');
const quiet = koffi.register(() => undefined, koffi.pointer(silent));
llama.func('void llama_log_set(silent *callback, int64 data)')(quiet, 0);
base.func('void ggml_log_set(silent *callback, int64 data)')(quiet, 0);
ggml.func('void ggml_backend_load_all_from_path(const char *path)')(folder);
llama.func('void llama_backend_init()')();
const modelParams = llama.func('model_params llama_model_default_params()')();
// Flag 2: matrices in the processor's own order, which go through other kernels than those as they stand in the file.
modelParams.flags[2] = repack ? 1 : 0;
const model = llama.func('int64 llama_model_load_from_file(const char *path, model_params params)')(
  modelPath,
  modelParams,
);
if (model === 0) throw new Error('libllama refuses the model');
const params = llama.func('context_params llama_context_default_params()')();
Object.assign(params, { n_ctx: 2048, n_batch: 512, n_ubatch: 512, n_threads: threads, n_threads_batch: threads });
params.flash_attn_type = 1;
const context = llama.func('int64 llama_init_from_model(int64 model, context_params params)')(model, params);
const vocab = llama.func('int64 llama_model_get_vocab(int64 model)')(model);
const vocabSize = llama.func('int llama_vocab_n_tokens(int64 vocab)')(vocab);
const batchOf = llama.func('batch llama_batch_get_one(int32 *tokens, int count)');
const decode = llama.func('int llama_decode(int64 context, batch batch)');
const logitsAt = llama.func('int64 llama_get_logits_ith(int64 context, int index)');

const all = new Float32Array(steps * vocabSize);
const tokens = [];
for (let start = 0; start < prompt.length; start += 512) run(prompt.slice(start, start + 512));
for (let step = 0; step < steps; step++) {
  if (step > 0) run([tokens.at(-1)]);
  const logits = new Float32Array(koffi.view(BigInt(logitsAt(context, -1)), vocabSize * 4));
  all.set(logits, step * vocabSize);
  tokens.push(logits.reduce((best, value, index) => (value > logits[best] ? index : best), 0));
}
writeFileSync(out, new Uint8Array(all.buffer));
console.log(JSON.stringify(tokens));

function run(ids) {
  // The array must outlive the call: the batch holds its address.
  const memory = Int32Array.from(ids);
  const status = decode(context, batchOf(memory, ids.length));
  if (status !== 0) throw new Error(`llama_decode: ${status}`);
}
