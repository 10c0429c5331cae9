import type { Socket } from 'node:net';

const lineMax = 64;

/** Calls back for each line; a peer that sends anything longer is cut off. */
export function onLine(socket: Socket, receive: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > lineMax) socket.destroy();
    for (const line of lines) receive(line);
  });
}
