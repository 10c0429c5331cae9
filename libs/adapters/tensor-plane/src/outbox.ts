import type { Socket } from 'node:net';

/** Small frames that leave together: at the end of this turn of the event loop, or before the next bulk write. */
export class Outbox {
  readonly #socket: Socket;
  #waiting: Uint8Array[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  push(frame: Uint8Array): void {
    if (this.#socket.destroyed) return;
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) setImmediate(() => this.flush());
  }

  /** Writes a header and, without copying it, the bytes that follow; resolves when the kernel has taken them all. */
  async bulk(header: Uint8Array, bytes: Uint8Array): Promise<void> {
    this.#waiting.push(header);
    this.#socket.cork();
    this.flush();
    const written = new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
    this.#socket.uncork();
    await written;
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const frames = this.#waiting;
    this.#waiting = [];
    const [only] = frames;
    if (this.#socket.destroyed) return;
    this.#socket.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames));
  }
}
