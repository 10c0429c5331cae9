// Asks a running tercet about pictures over gRPC and prints the answer while it streams.
//
//   node chat.ts "What is this?" photo.jpg
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ClientReadableStream, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

// The few messages that this client reads; the .proto files have them all.
interface ChatEvent {
  delta?: { text: string };
  finished?: { ttft?: { ttftMs: number }; usage?: { completionTokens: number } };
}
type Part = { text: string } | { image: Buffer };
interface ChatRequest {
  model: string;
  messages: { role: string; parts: Part[] }[];
}
interface GatewayClient {
  listModels(
    request: object,
    done: (error: ServiceError | null, answer?: { models: { name: string }[] }) => void,
  ): void;
  chat(request: ChatRequest): ClientReadableStream<ChatEvent>;
  close(): void;
}

const protos = fileURLToPath(new URL('../../../libs/contracts/proto', import.meta.url));
const definition = loadSync('tercet/v1/gateway.proto', { includeDirs: [protos], longs: Number, enums: String });
const { tercet } = loadPackageDefinition(definition) as unknown as {
  tercet: { v1: { Gateway: new (address: string, security: object) => GatewayClient } };
};

const [question, ...pictures] = process.argv.slice(2);
if (question === undefined) {
  console.error('usage: node chat.ts QUESTION [PICTURE…]');
  process.exit(2);
}
const gateway = new tercet.v1.Gateway(process.env.TERCET_GRPC ?? '127.0.0.1:8081', credentials.createInsecure());
try {
  const model = await firstModel();
  const parts: Part[] = [...pictures.map((file) => ({ image: readFileSync(file) })), { text: question }];
  for await (const event of gateway.chat({ model, messages: [{ role: 'user', parts }] })) {
    const { delta, finished } = event as ChatEvent;
    process.stdout.write(delta?.text ?? '');
    if (finished === undefined) continue;
    process.stdout.write('\n');
    const { ttft, usage } = finished;
    console.error(`first token after ${ttft?.ttftMs.toFixed(1)} ms; ${usage?.completionTokens} tokens`);
  }
} catch (error) {
  const { details, metadata } = error as ServiceError;
  console.error(`${details} [${metadata?.get('tercet-code')[0] ?? 'unknown'}]`);
  process.exitCode = 1;
} finally {
  gateway.close();
}

function firstModel(): Promise<string> {
  return new Promise((resolve, reject) => {
    gateway.listModels({}, (error, answer) => {
      if (error !== null) reject(error);
      else resolve(answer?.models[0]?.name ?? '');
    });
  });
}
