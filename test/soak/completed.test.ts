import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { completed } from './completed.ts';
import type { SenderEntry } from './ledger.ts';

const to: Hex = `0x${'bb'.repeat(32)}`;
const other: Hex = `0x${'cc'.repeat(32)}`;
const meant = (n: number, whom = to): SenderEntry => ({ event: 'meant', to: whom, text: `s ${n}` });
const queued = (n: number): SenderEntry => ({ event: 'queued', text: `s ${n}`, nonce: String(n) });
const stored = (n: number, whom = to): SenderEntry => ({ event: 'stored', to: whom, nonce: String(n) });
const command = (n: number): SenderEntry => ({ event: 'command-meant', to, text: `c ${n}` });
const commandQueued = (n: number): SenderEntry => ({ event: 'command-queued', text: `c ${n}`, sendId: String(n) });
const commandStored = (n: number): SenderEntry => ({ event: 'command-stored', sendId: String(n) });
const started: SenderEntry = { event: 'started' };
const listed: SenderEntry = { event: 'listed' };

describe("soak: a sender's ledger, completed by what its queue held", () => {
  it('is as it was where each was written down', () => {
    const all = [started, listed, meant(1), queued(1), command(2), commandQueued(2), started];
    const again = [...all, stored(1), commandStored(2), listed];
    assert.deepEqual(completed(again), { entries: again, neverQueued: new Set(), unmeant: [] });
  });

  it('has the line of what a crash kept from being written down', () => {
    const message = [meant(1), started, stored(1)];
    assert.deepEqual(completed([...message, listed]).entries, [...message, queued(1), listed]);
    const ofCommand = [meant(1), queued(1), command(2), started, stored(1), commandStored(2)];
    assert.deepEqual(completed([...ofCommand, listed]).entries, [...ofCommand, commandQueued(2), listed]);
  });

  it('knows what was never queued, once the whole queue was listed', () => {
    const lost = [meant(1), queued(1), command(2), started, stored(1)];
    assert.deepEqual(completed(lost).neverQueued, new Set());
    assert.deepEqual(completed([...lost, listed, meant(3), queued(3)]).neverQueued, new Set(['c 2']));
    // The first start after the crash died before it was through.
    assert.deepEqual(completed([...lost, started, listed]).neverQueued, new Set(['c 2']));
  });

  it('names what the queue holds that was never meant: another kind, another recipient, a second one', () => {
    const unmeantOf = (...entries: SenderEntry[]): readonly string[] => completed(entries).unmeant;
    assert.deepEqual(unmeantOf(meant(1), started, commandStored(1)), ['command 1']);
    assert.deepEqual(unmeantOf(command(1), started, stored(1)), [`message 1 to ${to}`]);
    assert.deepEqual(unmeantOf(meant(1, other), started, stored(1)), [`message 1 to ${to}`]);
    assert.deepEqual(unmeantOf(meant(1), started, stored(1), stored(2), listed), [`message 2 to ${to}`]);
  });
});
