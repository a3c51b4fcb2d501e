import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('slow-reader-child.ts', import.meta.url));

/** What is printed, and what is acknowledged then, where the signal comes while nobody reads, and all is read after that. */
async function endedWhileNobodyReads(mode: string, signal: NodeJS.Signals) {
  const child = fork(script, [mode], { execArgv: ['--import=tsx'], stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const closed = once(child, 'close');
  try {
    const words: unknown[] = [];
    const next = async (): Promise<unknown> => {
      if (words.length === 0) await Promise.race([once(child, 'message'), closed]);
      return words.shift();
    };
    child.on('message', (word) => words.push(word));
    assert.equal(await next(), 'stands');
    child.kill(signal);
    assert.equal(await next(), 'interrupted');
    const reading = text(child.stdout ?? assert.fail('it has no output'));
    const { acknowledged } = (await next()) as { readonly acknowledged: readonly number[] };
    const lines = (await reading).split('\n').slice(0, -1);
    const printed = lines.map((line) => Number.parseInt((JSON.parse(line) as { text: string }).text, 10));
    assert.deepEqual(await closed, [signal === 'SIGINT' ? 130 : 0, null]);
    return { acknowledged, printed };
  } finally {
    child.kill('SIGKILL');
    await closed;
  }
}

describe('cli: messages whose reader is slow', () => {
  for (const mode of ['inbox', 'phala'])
    for (const signal of ['SIGTERM', 'SIGINT'] as const)
      it(`are acknowledged where their lines were written by the end, and no others: ${mode}, ${signal}`, async () => {
        const { acknowledged, printed } = await endedWhileNobodyReads(mode, signal);
        assert.deepEqual(acknowledged, printed);
        assert.deepEqual(
          printed,
          printed.map((_, n) => n),
        );
        assert.ok(printed.length > 0 && printed.length < 100);
      });
});
