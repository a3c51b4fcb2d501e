import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below those that systems give to whoever asks for any (Linux from 32768, others from 49152): nobody gets it by chance meanwhile.
const [lowest, highest] = [20_000, 32_000];
/** Test files that run side by side have ports of their own: one that is away for a while is given to nobody else. */
const parts = 4;
const size = (highest - lowest) / parts;
const first = lowest + size * (Number(process.env['MOCHA_WORKER_ID'] ?? 0) % parts);
const given = new Set<number>();

/** A port of this machine that nobody listens on, and that is given to nobody who does not ask for it by its number. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(first, first + size);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') continue;
      throw error;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
