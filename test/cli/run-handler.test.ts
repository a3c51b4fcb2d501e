import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { runHandler } from '../../src/cli/run-handler.ts';
import type { Delivery } from '../../src/inbox/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';

describe('cli: the program for invocations', () => {
  const folder = useTempDir();

  /** Begins a program of these lines, which has `$0.pid` once it runs. */
  const begin = async (lines: string, timeoutMs?: number) => {
    const program = join(folder(), 'handler');
    await writeFile(program, `#!/bin/sh\n${lines}\n`);
    await chmod(program, 0o700);
    const delivery = { messageId: '0x01', body: { kind: 'invocation', to: '0x00', input: new Uint8Array() } };
    const ending = new AbortController();
    const running = runHandler(program, delivery as unknown as Delivery, ending.signal, timeoutMs);
    running.catch(() => undefined);
    const pid = await until(async () => {
      const text = await readFile(`${program}.pid`, 'utf8').catch(() => '');
      return text.endsWith('\n') && Number(text);
    });
    return { program, running, pid, stop: () => ending.abort() };
  };

  const isAlive = (pid: number): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };

  const deaf = `trap '' TERM\necho $$ > $0.pid\nwhile :; do sleep 0.05; done`;
  const polite = `trap 'echo asked > $0.asked; exit 0' TERM\necho $$ > $0.pid\nwhile :; do sleep 0.05; done`;

  it('ends with its time, also one that takes no notice of a request to end', async () => {
    const { running, pid } = await begin(deaf, 3_000);
    await rejected(running, 'handler-failed');
    assert.equal(isAlive(pid), false);
  });

  it('is gone when it was stopped, also one that takes no notice of a request to end', async () => {
    const { running, pid, stop } = await begin(deaf);
    stop();
    await rejected(running, 'handler-failed');
    assert.equal(isAlive(pid), false);
  });

  it('is gone when it was stopped, though what it started lives on with its output', async () => {
    const { running, pid, stop } = await begin('sleep 60 &\necho $! > $0.child\necho $$ > $0.pid\nwait');
    const child = Number(await readFile(join(folder(), 'handler.child'), 'utf8'));
    using _ = { [Symbol.dispose]: () => void process.kill(child) };
    stop();
    await rejected(running, 'handler-failed');
    assert.deepEqual([isAlive(pid), isAlive(child)], [false, true]);
  });

  for (const [when, timeoutMs] of [
    ['it was stopped', undefined],
    ['it did not end within 3000 ms', 3_000],
  ] as const)
    it(`is asked to end before it is killed, and what it says then is no answer, when ${when}`, async () => {
      const { program, running, stop } = await begin(polite, timeoutMs);
      if (timeoutMs === undefined) stop();
      const { details } = await rejected(running, 'handler-failed');
      assert.deepEqual([await readFile(`${program}.asked`, 'utf8'), details?.['reason']], ['asked\n', when]);
    });

  it('is not begun for one that was stopped before', async () => {
    const delivery = { messageId: '0x01', body: { kind: 'invocation', to: '0x00', input: new Uint8Array() } };
    const running = runHandler(join(folder(), 'none'), delivery as unknown as Delivery, AbortSignal.abort());
    const { details } = await rejected(running, 'handler-failed');
    assert.equal(details?.['reason'], 'it was stopped');
  });
});
