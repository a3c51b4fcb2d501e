import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { judgeCommands } from './command-verdict.ts';
import type { Span } from './gaps.ts';
import type { RecipientEntry, SenderEntry } from './ledger.ts';
import type { PostedCommand } from './truth.ts';

const to: Hex = `0x${'bb'.repeat(32)}`;
const sender = `worker 0x${'aa'.repeat(32)}`;
const id = (n: number): Hex => `0x${String(n).padStart(64, '0')}`;

const queued = (...numbers: number[]): SenderEntry[] =>
  numbers.flatMap((n) => [
    { event: 'command-meant', to, text: `c ${n}` },
    { event: 'command-queued', text: `c ${n}`, sendId: String(n) },
  ]);
const posted = (...numbers: number[]): PostedCommand[] => numbers.map((n) => ({ block: n, sender, to, id: id(n) }));
const started: RecipientEntry = { event: 'started' };
const heard = (n: number, text = `c ${n}`): RecipientEntry => ({ event: 'command', block: n, id: id(n), text });
const acknowledged = (n: number): RecipientEntry => ({ event: 'command-acknowledged', block: n, id: id(n) });
const handled = (...numbers: number[]): RecipientEntry[] => numbers.flatMap((n) => [heard(n), acknowledged(n)]);

function verdictOf(
  sent: readonly SenderEntry[],
  received: readonly RecipientEntry[],
  commands: readonly PostedCommand[],
  missed: readonly Span[] = [],
  isAccountShared = false,
) {
  const { broken, excused } = judgeCommands({
    senders: [{ id: sender, entries: sent, isAccountShared }],
    finalBlocks: new Map([1, 2, 3].map((block) => [block, id(block)])),
    recipients: [{ id: to, entries: [started, ...received] }],
    commands,
    mayMiss: new Map([[to, missed]]),
  });
  return [...broken, ...excused.all.map(([excuse, times]) => `${times} excused: ${excuse}`)];
}

/** With what makes it hard to know of a command. */
function uncertain(
  { isWorkerShared = false, hasForgotten = false },
  entries: readonly SenderEntry[],
  received: readonly RecipientEntry[],
  commands: readonly PostedCommand[],
): string[] {
  const recipients = [{ id: to, entries: [started, ...received] }];
  const senders = [{ id: sender, entries, isWorkerShared }];
  const { broken, excused } = judgeCommands({ senders, recipients, commands, hasForgotten });
  return [...broken, ...excused.all.map(([excuse, times]) => `${times} excused: ${excuse}`)];
}

const unknowable = '1 excused: failed: nobody can know whether it came in, since others used its sequence';

function breaks(pattern: RegExp, ...evidence: Parameters<typeof verdictOf>): void {
  const broken = verdictOf(...evidence);
  assert.equal(broken.length, 1, broken.join('; '));
  assert.match(broken[0] ?? '', pattern);
}

describe('soak: the verdict on commands', () => {
  it('has nothing against commands that were posted once and handed out once', () => {
    assert.deepEqual(verdictOf(queued(1, 2), handled(1, 2), posted(1, 2)), []);
    assert.deepEqual(verdictOf(queued(1), [heard(1), started, ...handled(1)], posted(1)), []);
  });

  it('sees one that never came, one that was posted twice, and one that nobody sent', () => {
    breaks(/was queued, has not failed, and never arrived/, queued(1, 2), handled(1), posted(1));
    breaks(/was posted 2 times/, queued(1), [...handled(1), heard(2, 'c 1'), acknowledged(2)], posted(1, 2));
    breaks(/which nobody sent/, queued(1), handled(1, 2), posted(1, 2));
  });

  it('sees one that its recipient never was done with, and what comes to one that was done with all', () => {
    breaks(/"c 1" was handed out and never acknowledged/, queued(1), [heard(1)], posted(1));
    const done: RecipientEntry[] = [...handled(1), { event: 'at-rest' }, started];
    assert.deepEqual(verdictOf(queued(1), done, posted(1)), []);
    const [came, ...rest] = verdictOf(queued(1), [...done, ...handled(1)], posted(1));
    assert.match(came ?? '', /"c 1" came to a recipient that was done with all/);
    assert.equal(rest.length, 1, 'and it was acknowledged');
  });

  it('holds what a crash kept its sender from writing down to what its queue held at the next start', () => {
    const meant: SenderEntry = { event: 'command-meant', to, text: 'c 1' };
    const listed: SenderEntry = { event: 'listed' };
    const kept: SenderEntry[] = [meant, { event: 'command-stored', sendId: '1' }, listed];
    assert.deepEqual(verdictOf(kept, handled(1), posted(1)), []);
    breaks(/was queued, has not failed, and never arrived/, kept, [], []);
    breaks(/failed with x/, [...kept, { event: 'command-failed', sendId: '1', code: 'x' }], [], []);
    assert.deepEqual(verdictOf([meant, listed], [], []), []);
    breaks(/queue never held it/, [meant, listed], handled(1), posted(1));
  });

  it('sees a posting that is handed out twice, late, never, or is in no block', () => {
    breaks(/twice in one run/, queued(1), [heard(1), ...handled(1)], posted(1));
    breaks(/again after it was acknowledged/, queued(1), [...handled(1), started, ...handled(1)], posted(1));
    breaks(/after one of a later block/, queued(1, 2), handled(2, 1), posted(1, 2));
    breaks(/was never handed out/, [], [], posted(1));
    breaks(/no finalized block has it/, queued(1), handled(1), []);
  });

  it('lets fail what nobody can know of, in a block or not, where states are gone and others use the sequences, and nothing else', () => {
    const failed = (code: string): SenderEntry[] => [...queued(1), { event: 'command-failed', sendId: '1', code }];
    const both = { hasForgotten: true, isWorkerShared: true };
    assert.deepEqual(uncertain(both, failed('fate-unknown'), [], []), [unknowable]);
    assert.deepEqual(uncertain(both, failed('fate-unknown'), handled(1), posted(1)), [unknowable]);
    for (const other of [{ hasForgotten: true }, { isWorkerShared: true }])
      assert.deepEqual(uncertain(other, failed('fate-unknown'), [], []), [
        'the command "c 1" failed with fate-unknown',
      ]);
    assert.match(uncertain(both, failed('extrinsic-rejected'), [], []).join(), /failed with extrinsic-rejected/);
  });

  it('excuses what is only in blocks that a gap names and that the run has had forgotten', () => {
    const gap: RecipientEntry = { event: 'command-gap', first: 2, last: 2 };
    const missed = [{ first: 1, last: 2 }];
    const hidden = '1 excused: is a command of blocks that were forgotten while its recipient was kept away';
    assert.deepEqual(verdictOf(queued(1, 2), [...handled(1), gap], posted(1, 2), missed), [hidden]);
    const [lost, ...excused] = verdictOf(queued(1, 2, 3), [...handled(1), gap], posted(1, 2), missed);
    assert.match(lost ?? '', /never arrived/);
    assert.deepEqual(excused, [hidden]);
    const [untrue, ...rest] = verdictOf(queued(1, 2), [...handled(1), gap], posted(1, 2));
    assert.match(untrue ?? '', /blocks 2 to 2 were told to be missing, and were there/);
    assert.ok(rest.length > 0, 'and what is in them is missed');
  });

  it('sees commands that change places, but for those that failed', () => {
    const placed = posted(1, 2).map(({ block }) => ({ block, sender, to, id: id(3 - block) }));
    const received: RecipientEntry[] = [
      { event: 'command', block: 1, id: id(2), text: 'c 2' },
      { event: 'command', block: 2, id: id(1), text: 'c 1' },
      ...placed.map(({ block, id }) => ({ event: 'command-acknowledged', block, id }) as const),
    ];
    breaks(/"c 1" came in after a later one/, queued(1, 2), received, placed);
    const failed: SenderEntry = { event: 'command-failed', sendId: '1', code: 'fate-unknown' };
    const both = { hasForgotten: true, isWorkerShared: true };
    assert.deepEqual(uncertain(both, [...queued(1, 2), failed], received, placed), [unknowable]);
  });

  it('excuses one that comes late where a reorg took its block and others post as its account, and no other', () => {
    const placed = [2, 1].map((n, i) => ({ block: i + 1, sender, to, id: id(n) }));
    const received = placed.flatMap(({ block, id }, i): RecipientEntry[] => [
      { event: 'command', block, id, text: `c ${2 - i}` },
      { event: 'command-acknowledged', block, id },
    ]);
    const told = (n: number, block: number, hash: Hex): SenderEntry => ({
      ...{ event: 'in-block', to, messageId: id(n), block, hash },
    });
    const taken = [...queued(1, 2), told(1, 2, id(99))];
    assert.deepEqual(verdictOf(taken, received, placed, [], true), [
      '1 excused: came late: a reorg took its block, and others post as its account',
    ]);
    const late = /"c 1" came in after a later one/;
    breaks(late, taken, received, placed);
    for (const other of [told(1, 2, id(2)), told(1, 4, id(99)), told(2, 2, id(99))])
      breaks(late, [...queued(1, 2), other], received, placed, [], true);
  });
});
