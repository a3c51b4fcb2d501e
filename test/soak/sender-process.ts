import {
  accountFromSuri,
  createOutbox,
  isRelayError,
  type Hex,
  type OutboxEntry,
  type Receipt,
  type RelayError,
  type SendStatus,
} from '../../src/index.ts';
import { commandTopic, config, ledgerOf, obey, openParts, run, tell, type SenderConfig } from './entity.ts';
import { Ledger, type SenderEntry } from './ledger.ts';

/** Queues a message for each of `send`, padded to `bytes`. */
export interface SenderCommand {
  readonly send: readonly Hex[];
  readonly bytes: number;
  /** And a command of Phala's form to this one. */
  readonly command?: Hex;
}

type Noted = Pick<OutboxEntry, 'suite' | 'sendId' | 'to' | 'nonce'>;

run(async () => {
  const settings = config() as SenderConfig;
  const ledger = new Ledger<SenderEntry>(ledgerOf(settings));
  const earlier = ledger.entries();
  const sent = earlier.filter(({ event }) => event === 'meant').length;
  let commanded = earlier.filter(({ event }) => event === 'command-meant').length;
  const written = new Set(earlier.map((entry) => JSON.stringify(entry)));
  /** What the queue tells at each start. */
  const once = (entry: SenderEntry): void => {
    const line = JSON.stringify(entry);
    if (!written.has(line)) ledger.add(entry);
    written.add(line);
  };
  ledger.add({ event: 'started' });
  const { chain, vault, store, watch } = await openParts(settings);
  const account = accountFromSuri(settings.suri);
  const onSetback = ({ code, message: reason }: RelayError): void => {
    tell({ event: 'setback', code, reason });
  };
  const onNotice = ({ code, message: reason, details = {} }: RelayError): void => {
    tell({ event: 'notice', code, reason });
    if (code !== 'fate-unknown') return;
    const { what, first, last } = details;
    ledger.add({ event: 'fate-unknown', what: String(what), first: Number(first), last: Number(last) });
  };
  const outbox = createOutbox({ chain, vault, store, directory: watch.state, account, onSetback, onNotice });
  const note = ({ suite, sendId, to, nonce }: Noted, status: SendStatus): void => {
    const named = { to, nonce: String(nonce) };
    if (status.state === 'failed') {
      const { code } = status.error;
      once(
        suite === 'v1'
          ? { event: 'failed', ...named, code }
          : { event: 'command-failed', sendId: String(sendId), code },
      );
    }
    if (status.state === 'finalized')
      once(suite === 'v1' ? { event: 'finalized', ...named } : { event: 'command-finalized', sendId: String(sendId) });
    if (status.state !== 'inBlock') return;
    const { messageId, blockNumber: block, blockHash: hash } = status;
    once({ event: 'in-block', ...(suite === 'v1' ? named : { to }), messageId, block, hash });
  };
  const follow = (noted: Noted, { status$ }: Receipt): void => {
    status$.subscribe((status) => {
      note(noted, status);
    });
  };
  // Before it goes on: what an earlier process was told last, and may not have written down.
  for await (const entry of outbox.entries()) {
    once(
      entry.suite === 'v1'
        ? { event: 'stored', to: entry.to, nonce: String(entry.nonce) }
        : { event: 'command-stored', sendId: String(entry.sendId) },
    );
    note(entry, entry.status);
    const receipt = await outbox.receipt(entry.sendId);
    if (receipt !== undefined) follow(entry, receipt);
  }
  ledger.add({ event: 'listed' });
  await outbox.start();
  let next = sent;
  const command = async (to: Hex): Promise<void> => {
    const recipientKey = watch.state.get(to)?.current.ecdhKey;
    if (recipientKey === undefined) return;
    const text = `${settings.name} command ${commanded++}`;
    ledger.add({ event: 'command-meant', to, text });
    // It waits for nothing and asks no node: whatever it throws is a failure of the run.
    const message = { suite: 'phala', topic: commandTopic(to), recipientKey, as: settings.as } as const;
    const receipt = await outbox.send({ ...message, content: new TextEncoder().encode(text) });
    ledger.add({ event: 'command-queued', text, sendId: String(receipt.sendId) });
    follow({ suite: 'phala', to, sendId: receipt.sendId, nonce: 0n }, receipt);
  };
  tell({ event: 'ready' });
  await obey(async (told) => {
    const { send, bytes, command: to } = told as SenderCommand;
    if (to !== undefined) await command(to);
    for (const to of send) {
      const text = `${settings.name} ${next++}`;
      ledger.add({ event: 'meant', to, text });
      try {
        const content = new TextEncoder().encode(text.padEnd(bytes));
        const receipt = await outbox.send({ to, body: { kind: 'data', content }, as: settings.as });
        ledger.add({ event: 'queued', text, nonce: String(receipt.nonce) });
        follow({ suite: 'v1', to, sendId: receipt.sendId, nonce: receipt.nonce }, receipt);
      } catch (error) {
        tell({ event: 'refused', text, code: isRelayError(error) ? error.code : String(error) });
      }
    }
  });
  for (const part of [outbox, watch, chain, store, vault]) await part[Symbol.asyncDispose]();
  process.exit(0);
});
