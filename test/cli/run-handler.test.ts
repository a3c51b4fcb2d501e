import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { runHandler } from '../../src/cli/run-handler.ts';
import type { Delivery } from '../../src/inbox/index.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';

describe('cli: the program for invocations', () => {
  const folder = useTempDir();

  it('ends with its time, also one that takes no notice of a request to end', async () => {
    const program = join(folder(), 'handler');
    await writeFile(program, `#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 0.05; done\n`);
    await chmod(program, 0o700);
    const delivery = { messageId: '0x01', body: { kind: 'invocation', to: '0x00', input: new Uint8Array() } };
    const running = runHandler(program, delivery as unknown as Delivery, new AbortController().signal, 1_000);
    await rejected(running, 'handler-failed');
  });
});
