import { at, ServiceProcess } from './service-process.js';

export interface LoneStageOptions {
  readonly podId: string;
  /** Where its sockets are made. */
  readonly folder: string;
  readonly role: 'encode' | 'prefill' | 'decode';
  readonly leases?: { readonly ttlMs: number; readonly quarantineMs: number };
  /** More variables of its section, over those that it gets anyway. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The tiny model, as services are told of it. */
export const tinyModel = {
  name: 'tercet-tiny',
  path: at('models/tiny/tercet-tiny.gguf'),
  mmprojPath: at('models/tiny/mmproj-tercet-tiny.gguf'),
};

/** A stage process with the tiny model that no gateway knows, unless it is told. */
export class LoneStage implements AsyncDisposable {
  readonly podId: string;
  readonly #process: ServiceProcess;

  private constructor(podId: string, process: ServiceProcess) {
    this.podId = podId;
    this.#process = process;
  }

  static async start({ podId, folder, role, leases, config }: LoneStageOptions): Promise<LoneStage> {
    const process = await ServiceProcess.start('stage', {
      POD_ID: podId,
      GRPC_ENDPOINT: `unix:${folder}/${podId}.sock`,
      TENSORS: { kind: 'unix', path: `${folder}/${podId}.tensors.sock` },
      ROLE: role,
      MODEL: tinyModel,
      LEASES: leases,
      ...config,
    });
    return new LoneStage(podId, process);
  }

  /** Every line that it logged. */
  get said(): readonly string[] {
    return this.#process.said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}
