import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { sealMessage } from '../../src/channel/index.ts';
import { answeringOf } from '../../src/cli/answering.ts';
import { createOutput, type JsonEvent } from '../../src/cli/output.ts';
import { printInbox } from '../../src/cli/print-inbox.ts';
import type { Settings } from '../../src/cli/settings.ts';
import type { Body } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { RelayClient } from '../../src/relay/index.ts';
import { utf8 } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { useConversations, type Party } from '../relay/conversation.ts';
import { linesTo } from './lines-to.ts';

describe('cli: handlers of invocations', () => {
  const { cleanup, talk } = useConversations();

  /** A worker that runs a program of these lines for invocations, and leaves its answers with `client` at `relays`. */
  const listen = async (lines: string, relays: readonly string[] = [], client?: Pick<RelayClient, 'postReply'>) => {
    const folder = await cleanup.folder();
    const program = join(folder, 'handler');
    await writeFile(program, `#!/bin/sh\n${lines}\n`);
    await chmod(program, 0o700);
    const worker = talk.party();
    await talk.register(worker, []);
    const inbox = await talk.inbox(worker, { isRegistered: (id) => talk.peers.get(id) !== undefined });
    const ending = new AbortController();
    const interrupted = new Promise<void>((resolve) => {
      ending.signal.addEventListener('abort', () => {
        resolve();
      });
    });
    const settings = { onInvoke: program, acknowledge: false, relay: relays } as unknown as Settings;
    const warnings: string[] = [];
    const { answer } = answeringOf({
      ...{ chain: talk.chain, vault: worker.vault, watch: { state: talk.peers as never } },
      client: (client ?? worker.client) as RelayClient,
      data: { folder, store: worker.store, [Symbol.asyncDispose]: async () => undefined },
      ...{ settings, signal: ending.signal },
      warn: (text) => {
        warnings.push(text);
      },
    });
    const printed: JsonEvent[] = [];
    const output = createOutput(
      true,
      linesTo((line) => printed.push(JSON.parse(line) as JsonEvent)),
    );
    const printing = printInbox(inbox, output, { until: interrupted, warn: () => undefined, answer });
    void cleanup.add(printing, async () => {
      ending.abort();
      await printing;
    });
    const give = async (sender: Party, body: Body): Promise<string> => {
      const from = { ...sender, genesisHash: talk.genesisHash, directory: talk.peers };
      const sealed = await sealMessage(from, { to: worker.vault.identity, body });
      await inbox.accept(sealed.envelope);
      return sealed.messageId;
    };
    const invoke = (sender: Party, input: Uint8Array) =>
      give(sender, { kind: 'invocation', to: `0x${'c0'.repeat(32)}`, input });
    return { printed, warnings, give, invoke };
  };

  it('that are slow hold up neither the printing of what others send nor their handlers, however many one stranger has', async () => {
    const gate = join(await cleanup.folder(), 'gate');
    // Answers only those of one byte until it is let go.
    const { printed, warnings, give, invoke } = await listen(
      `read -r call\ncase "$call" in *'"input":"0x07"'*) exit 0;; esac\nwhile [ ! -e ${gate} ]; do sleep 0.05; done`,
    );
    const [slow, other] = [talk.party(), talk.party()];
    for (let n = 0; n < 20; n++) await invoke(slow, Uint8Array.of(1, n));
    const quick = await invoke(other, Uint8Array.of(7));
    await give(other, { kind: 'data', content: utf8('not held up') });
    await until(() => printed.some(({ text }) => text === 'not held up'));
    assert.equal(printed.length, 22);
    // Its handler ran, and its empty answer has nowhere to go.
    await until(() => warnings.length > 0);
    assert.ok(printed.some(({ messageId }) => messageId === quick));
    await writeFile(gate, '');
  });

  it('whose answers are large and do not arrive are kept up to so many bytes', async () => {
    const client: Pick<RelayClient, 'postReply'> = {
      postReply: (_, url, __, options) =>
        new Promise((_resolve, reject) => {
          options?.signal?.addEventListener('abort', () => {
            reject(new RelayError('endpoint-failed', { details: { endpoint: url } }));
          });
        }),
    };
    const { warnings, invoke } = await listen('head -c 245760 /dev/zero', ['http://away.example'], client);
    const asker = talk.party();
    await talk.register(asker, []);
    // An eighth of 64 MiB is 34 of them.
    for (let n = 0; n < 36; n++) await invoke(asker, Uint8Array.of(n));
    await until(() => warnings.length > 0);
    assert.match(warnings[0] ?? '', /\b8355840 bytes of answers to it are under way/);
  });
});
