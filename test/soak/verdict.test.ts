import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import type { Excuse } from './excuses.ts';
import type { Span } from './gaps.ts';
import type { RecipientEntry, SenderEntry } from './ledger.ts';
import type { PostedMessage } from './truth.ts';
import { judge, type Evidence } from './verdict.ts';

const sender: Hex = `0x${'aa'.repeat(32)}`;
const to: Hex = `0x${'bb'.repeat(32)}`;
const id = (n: number): Hex => `0x${String(n).padStart(64, '0')}`;

const queued = (...numbers: number[]): SenderEntry[] =>
  numbers.flatMap((n) => [
    { event: 'meant', to, text: `s ${n}` },
    { event: 'queued', text: `s ${n}`, nonce: String(n) },
  ]);
const delivered = (n: number): RecipientEntry => ({
  ...{
    event: 'delivered',
    id: id(n),
    from: sender,
    fromKind: 'worker',
    nonce: String(n),
    text: `s ${n}`,
    isFinal: true,
  },
});
const early = (n: number): RecipientEntry => ({ ...delivered(n), isFinal: false }) as RecipientEntry;
const final = (n: number): RecipientEntry => ({ event: 'finalized', id: id(n) });
const acknowledged = (n: number): RecipientEntry => ({ event: 'acknowledged', id: id(n) });
const handled = (...numbers: number[]): RecipientEntry[] => numbers.flatMap((n) => [delivered(n), acknowledged(n)]);
const started: RecipientEntry = { event: 'started' };
const atRest: RecipientEntry = { event: 'at-rest' };
/** The same, with other bytes. */
const as = (bytes: number, messages: readonly PostedMessage[]): PostedMessage[] =>
  messages.map((message) => ({ ...message, payload: Uint8Array.of(bytes) }));
const posted = (...numbers: number[]): PostedMessage[] =>
  numbers.map((n) => ({ block: n, sender: `worker ${sender}`, to, payload: new Uint8Array(), nonce: BigInt(n) }));

interface Case {
  readonly sent: readonly SenderEntry[];
  readonly received: readonly RecipientEntry[];
  readonly posted: readonly PostedMessage[];
  readonly finality?: 'finalized' | 'best';
  readonly copies?: Evidence['copies'];
  readonly mayFailWith?: ReadonlySet<string>;
  readonly missed?: readonly Span[];
  readonly isAccountShared?: boolean;
  readonly isWorkerShared?: boolean;
  /** Default: a worker. */
  readonly by?: string;
}

function verdictOf(evidence: Case) {
  const { sent, received, posted: inBlocks, finality = 'finalized', copies = [], missed = [] } = evidence;
  const { isAccountShared = false, isWorkerShared = false, by = `worker ${sender}` } = evidence;
  return judge({
    senders: [{ id: by, entries: sent, isAccountShared, isWorkerShared }],
    finalBlocks: new Map([1, 2, 3].map((block) => [block, id(block)])),
    recipients: [{ id: to, finality, entries: [started, ...received] }],
    posted: inBlocks,
    copies,
    mayMiss: new Map([[to, missed]]),
    mayFailWith: evidence.mayFailWith ?? new Set(),
  });
}

function breaks(pattern: RegExp, evidence: Case): void {
  const { broken } = verdictOf(evidence);
  assert.equal(broken.length, 1, broken.join('; '));
  assert.match(broken[0] ?? '', pattern);
}

/** Nothing is broken, and that is made use of so often. */
function excuses(excuse: Excuse, evidence: Case, times = 1): void {
  const { broken, excused } = verdictOf(evidence);
  assert.deepEqual([broken, excused.all], [[], [[excuse, times]]]);
}

describe('soak: the verdict', () => {
  it('has nothing against messages that came once and in order', () => {
    const verdict = verdictOf({ sent: queued(1, 2, 3), received: handled(1, 2, 3), posted: posted(1, 2, 3) });
    const { excused, ...counted } = verdict;
    assert.deepEqual(counted, { broken: [], queued: 3, delivered: 3, missedByGap: 0, dead: 0 });
    assert.deepEqual(excused.all, []);
  });

  it('lets come again after a restart what was not acknowledged, and what a crash kept from being queued stay away', () => {
    const sent: SenderEntry[] = [...queued(1, 2), { event: 'meant', to, text: 's 3' }];
    const received = [...handled(1), delivered(2), started, ...handled(2)];
    assert.deepEqual(verdictOf({ sent, received, posted: posted(1, 2) }).broken, []);
  });

  it('misses a message that was queued and never came', () => {
    breaks(/"s 2" was queued and never arrived: it is in block 2/, {
      ...{ sent: queued(1, 2), received: handled(1), posted: posted(1, 2) },
    });
    breaks(/no block carries it/, { sent: queued(1), received: [], posted: [] });
  });

  it('sees one that comes twice, in one run of its recipient and after it was acknowledged', () => {
    const evidence = { sent: queued(1), posted: posted(1) };
    breaks(/delivered twice in one run/, { ...evidence, received: [delivered(1), ...handled(1)] });
    breaks(/again after it was acknowledged/, { ...evidence, received: [...handled(1), started, ...handled(1)] });
  });

  it('sees one that its recipient never was done with, but for what was taken back, and what an earlier process of it was handed', () => {
    const evidence = { sent: queued(1, 2), posted: posted(1, 2) };
    const undone = /"s 2" was delivered and never acknowledged/;
    breaks(undone, { ...evidence, received: [...handled(1), delivered(2)] });
    breaks(undone, { ...evidence, received: [...handled(1), delivered(2), atRest, started] });
    assert.deepEqual(verdictOf({ ...evidence, received: [...handled(1), delivered(2), started] }).broken, []);
    const isHandled: RecipientEntry = { event: 'handled', id: id(2) };
    assert.deepEqual(verdictOf({ ...evidence, received: [...handled(1), delivered(2), isHandled] }).broken, []);
    const best = { ...evidence, finality: 'best' } as const;
    const retracted: RecipientEntry = { event: 'retracted', id: id(2) };
    const reinstated: RecipientEntry = { event: 'reinstated', id: id(2) };
    const back = [...handled(1), early(2), retracted, reinstated, final(2)];
    breaks(undone, { ...best, received: back });
    assert.deepEqual(verdictOf({ ...best, received: [...back, acknowledged(2)] }).broken, []);
    const gone = {
      ...{ ...best, sent: [...queued(1), { event: 'meant', to, text: 's 2' } as const], posted: posted(1) },
      received: [...handled(1), early(2), retracted],
    };
    assert.deepEqual(verdictOf(gone).broken, []);
  });

  it('sees what comes to a recipient that was done with all, and is started once more', () => {
    const best = { sent: queued(1), posted: posted(1), finality: 'best' } as const;
    const done = [early(1), acknowledged(1), final(1), atRest, started];
    assert.deepEqual(verdictOf({ ...best, received: done }).broken, []);
    const came = /finalized 0x0+1 came to a recipient that was done with all/;
    breaks(came, { ...best, received: [...done, final(1)] });
    const { broken } = verdictOf({ ...best, received: [...done, ...handled(1)] });
    assert.match(broken[0] ?? '', /delivered 0x0+1 came to a recipient that was done with all/);
    const dead: RecipientEntry = { event: 'dead', id: id(2), code: 'sender-not-proven' };
    breaks(/dead 0x0+2 came to a recipient that was done with all/, { ...best, received: [...done, dead] });
    const gap: RecipientEntry = { event: 'gap', first: 2, last: 3 };
    const missed = [{ first: 2, last: 3 }];
    breaks(/a gap of 2 to 3 came to a recipient that was done with all/, { ...best, missed, received: [...done, gap] });
  });

  it('sees one that comes after a later one of its sender', () => {
    breaks(/"s 1" was delivered after a later one/, {
      ...{ sent: queued(1, 2), received: handled(2, 1), posted: posted(1, 2) },
    });
  });

  it('excuses one that comes late where its block is in a gap and the run posted it again', () => {
    const sent = queued(1, 2);
    const received = [{ event: 'gap', first: 1, last: 1 } as const, ...handled(2, 1)];
    const again = [...posted(1, 2), ...as(9, posted(1))].map((message, i) => ({ ...message, block: i + 1 }));
    const more = { posted: again, copies: posted(1), isWorkerShared: true };
    const missed = [{ first: 1, last: 1 }];
    const { broken, excused } = verdictOf({ sent, received, missed, ...more });
    assert.deepEqual(broken, []);
    assert.deepEqual(excused.all, [
      ['came late: posted again, since a gap hid its own block', 1],
      ['stands in blocks twice: sealed again while others had what was sealed before', 1],
    ]);
    breaks(/after a later one/, { sent, received: handled(2, 1), ...more });
  });

  it('excuses one that comes late where a reorg took its block and others post as its account, and no other', () => {
    const told = (n: number, block: number, hash: Hex): SenderEntry => ({
      ...{ event: 'in-block', to, nonce: String(n), messageId: id(n), block, hash },
    });
    const evidence = { received: handled(3, 1, 2), posted: posted(1, 2, 3) };
    const taken = [...queued(1, 2, 3), told(1, 2, id(99)), told(2, 2, id(99))];
    const isAccountShared = true;
    const late = 'came late: a reorg took its block, and others post as its account';
    excuses(late, { ...evidence, sent: taken, isAccountShared }, 2);
    const { broken } = verdictOf({ ...evidence, sent: taken });
    assert.match(broken.join('; '), /"s 1" was delivered after a later one.*"s 2" was delivered after a later one/);
    for (const other of [told(2, 2, id(2)), told(2, 4, id(99)), told(3, 2, id(99))]) {
      const sent = [...queued(1, 2, 3), told(1, 2, id(99)), other];
      breaks(/"s 2" was delivered after a later one of its sender, "s 3"/, { ...evidence, sent, isAccountShared });
    }
  });

  it('sees one that comes after a later one, early ones too but for those that a reorg took', () => {
    const evidence = { sent: queued(1, 2), posted: posted(1, 2) };
    breaks(/"s 1" was delivered after a later one of its sender, "s 2"/, { ...evidence, received: handled(2, 1) });
    const best = { ...evidence, finality: 'best' } as const;
    breaks(/"s 1" was delivered after a later one/, { ...best, received: handled(2, 1) });
    const retracted: RecipientEntry = { event: 'retracted', id: id(2) };
    const reinstated: RecipientEntry = { event: 'reinstated', id: id(2) };
    const received = [early(2), acknowledged(2), retracted, ...handled(1), reinstated, final(2)];
    assert.deepEqual(verdictOf({ ...best, received }).broken, []);
    // What is taken back later was out of its turn all the same.
    breaks(/"s 1" was delivered after a later one/, {
      ...{ ...best, received: [early(2), acknowledged(2), ...handled(1), retracted, reinstated, final(2)] },
    });
  });

  it('sees one that nobody sent, and one that says it is from somebody else', () => {
    breaks(/which nobody sent to it/, { sent: [], received: handled(1), posted: [] });
    const forged: RecipientEntry = { ...delivered(1), event: 'delivered', from: to } as RecipientEntry;
    const { broken } = verdictOf({ sent: queued(1), received: [forged], posted: posted(1) });
    assert.match(broken[0] ?? '', /which nobody sent to it/);
  });

  it('sees one of a block that a reorg took away and nobody took back', () => {
    const sent: SenderEntry[] = [{ event: 'meant', to, text: 's 1' }];
    const best = { sent, posted: [], finality: 'best' } as const;
    breaks(/is in no finalized block/, { ...best, received: handled(1) });
    assert.deepEqual(verdictOf({ ...best, received: [early(1), { event: 'retracted', id: id(1) }] }).broken, []);
  });

  it('sees one that was posted twice, unless the run itself did it', () => {
    const evidence = { sent: queued(1), received: handled(1), posted: posted(1, 1) };
    breaks(/posted 2 times/, evidence);
  });

  it('excuses a copy of what an account posted, of its very bytes, as often as the run made one', () => {
    const by = `account ${sender}`;
    const received = handled(1).map((entry) => ({ ...entry, fromKind: 'account' }) as RecipientEntry);
    const byAccount = (messages: readonly PostedMessage[]) => messages.map((message) => ({ ...message, sender: by }));
    const evidence = { by, sent: queued(1), received, copies: byAccount(posted(1)) };
    const again = 'stands in blocks as often as it was posted again as its account';
    excuses(again, { ...evidence, posted: byAccount(posted(1, 1)) });
    breaks(/posted 3 times/, { ...evidence, posted: byAccount(posted(1, 1, 1)) });
    breaks(/posted 2 times/, { ...evidence, posted: byAccount([...posted(1), ...as(9, posted(1))]) });
    breaks(/posted 2 times/, { ...evidence, posted: byAccount(posted(1, 1)), copies: byAccount(as(9, posted(1))) });
  });

  it("excuses a copied message of a worker's that is there once more, sealed again, where others use its sequences", () => {
    const evidence = { sent: queued(1), received: handled(1), copies: posted(1) };
    const anew = [...posted(1), ...as(9, posted(1))];
    const sealed = 'stands in blocks twice: sealed again while others had what was sealed before';
    excuses(sealed, { ...evidence, posted: anew, isWorkerShared: true });
    breaks(/posted 2 times/, { ...evidence, posted: anew });
    const shared = { ...evidence, isWorkerShared: true };
    breaks(/posted 2 times/, { ...shared, posted: posted(1, 1) });
    breaks(/posted 2 times/, { ...shared, posted: [...as(8, posted(1)), ...as(9, posted(1))] });
    breaks(/posted 3 times/, { ...shared, posted: [...anew, ...as(8, posted(1))] });
    breaks(/posted 2 times/, { ...shared, posted: anew, copies: [] });
  });

  it('excuses a message that went again, sealed anew, since its sender was told that nobody knows of it, where others use its sequences', () => {
    const told = (first: number, last: number, what = 'message 0x01'): SenderEntry => ({
      ...{ event: 'fate-unknown', what, first, last },
    });
    const again = (n: number, block: number): PostedMessage[] =>
      as(9, posted(n)).map((message) => ({ ...message, block }));
    const evidence = { received: handled(1), posted: [...posted(1), ...again(1, 9)], isWorkerShared: true };
    const unknown = 'stands in blocks twice: nobody could know whether it came in, since others used its sequence';
    excuses(unknown, { ...evidence, sent: [...queued(1), told(1, 3)] });
    const often = /"s 1" was posted 2 times: in block 1, 9/;
    breaks(often, { ...evidence, sent: queued(1) });
    breaks(often, { ...evidence, sent: [...queued(1), told(2, 3)] });
    breaks(often, { ...evidence, sent: [...queued(1), told(1, 9)] });
    breaks(often, { ...evidence, sent: [...queued(1), told(1, 3)], isWorkerShared: false });
    const same = posted(1).map((message) => ({ ...message, block: 9 }));
    breaks(often, { ...evidence, sent: [...queued(1), told(1, 3)], posted: [...posted(1), ...same] });
    const thrice = [...evidence.posted, ...as(8, posted(1)).map((message) => ({ ...message, block: 12 }))];
    breaks(/posted 3 times/, { ...evidence, sent: [...queued(1), told(1, 3)], posted: thrice });
    excuses(unknown, { ...evidence, sent: [...queued(1), told(1, 3), told(8, 10)], posted: thrice });
    const two = { ...evidence, received: handled(1, 2), posted: [...posted(1, 2), ...again(1, 9), ...again(2, 9)] };
    excuses(unknown, { ...two, sent: [...queued(1, 2), told(1, 3, 'messages 0x01 and 1 more')] }, 2);
    breaks(/"s 2" was posted 2 times/, { ...two, sent: [...queued(1, 2), told(1, 3)] });
  });

  it('spends what a sender was told on no message that is excused without it', () => {
    const again = (n: number): PostedMessage[] => as(9, posted(n)).map((message) => ({ ...message, block: 9 }));
    const told: SenderEntry = { event: 'fate-unknown', what: 'message 0x02', first: 1, last: 3 };
    const evidence = {
      ...{ sent: [...queued(1, 2), told], received: handled(1, 2), copies: posted(1), isWorkerShared: true },
      posted: [...posted(1, 2), ...again(1), ...again(2)],
    };
    const { broken, excused } = verdictOf(evidence);
    assert.deepEqual(broken, []);
    assert.deepEqual(excused.all, [
      ['stands in blocks twice: nobody could know whether it came in, since others used its sequence', 1],
      ['stands in blocks twice: sealed again while others had what was sealed before', 1],
    ]);
    breaks(/"s 2" was posted 2 times/, { ...evidence, sent: queued(1, 2) });
  });

  it("excuses a copied later message of a worker's that is in before an earlier one, where others use its sequences", () => {
    const evidence = { sent: queued(1, 2, 3), posted: posted(1, 2, 3), isWorkerShared: true };
    const copies = posted(2);
    const early = 'came early: others posted it, and other software used the sequence of one before it';
    excuses(early, { ...evidence, received: handled(2, 1, 3), copies });
    assert.deepEqual(verdictOf({ ...evidence, received: handled(1, 2, 3), copies }).excused.all, []);
    const late = /"s 1" was delivered after a later one/;
    breaks(late, { ...evidence, received: handled(2, 1, 3), copies, isWorkerShared: false });
    breaks(late, { ...evidence, received: handled(2, 1, 3), copies: as(9, copies) });
    breaks(late, { ...evidence, received: handled(2, 3, 1), copies });
    breaks(/"s 2" was delivered after a later one/, { ...evidence, received: handled(1, 3, 2), copies });
  });

  it('holds what a crash kept its sender from writing down to what its queue held at the next start', () => {
    const meant: SenderEntry = { event: 'meant', to, text: 's 1' };
    const stored: SenderEntry = { event: 'stored', to, nonce: '1' };
    const listed: SenderEntry = { event: 'listed' };
    const kept = [meant, stored, listed];
    assert.deepEqual(verdictOf({ sent: kept, received: handled(1), posted: posted(1) }).broken, []);
    breaks(/"s 1" was posted 2 times/, { sent: kept, received: handled(1), posted: posted(1, 1) });
    breaks(/"s 1" was queued and never arrived: it is in block 1/, { sent: kept, received: [], posted: posted(1) });
    breaks(/no block carries it/, { sent: kept, received: [], posted: [] });
    const lost = [meant, listed];
    assert.deepEqual(verdictOf({ sent: lost, received: [], posted: [] }).broken, []);
    breaks(/queue never held it/, { sent: lost, received: handled(1), posted: posted(1) });
    breaks(/ 1 was posted 2 times/, { sent: [meant], received: handled(1), posted: posted(1, 1) });
    breaks(/held what was never sent: message 2/, {
      ...{ sent: [...queued(1), { ...stored, nonce: '2' }], received: handled(1), posted: posted(1) },
    });
  });

  it('sees two that were queued with one nonce', () => {
    const meant: SenderEntry = { event: 'meant', to, text: 's 2' };
    breaks(/"s 1" and "s 2" were queued with one nonce/, {
      sent: [...queued(1), meant, { event: 'queued', text: 's 2', nonce: '1' }],
      ...{ received: handled(1), posted: posted(1) },
    });
  });

  it('sees one that was given up and is in a block', () => {
    const sent: SenderEntry[] = [...queued(1), { event: 'failed', to, nonce: '1', code: 'x' }];
    const mayFailWith = new Set(['x']);
    breaks(/given up \[x\] and is in a block/, { sent, received: handled(1), posted: posted(1), mayFailWith });
    assert.deepEqual(verdictOf({ sent, received: [], posted: [], mayFailWith }).broken, []);
  });

  it('sees one that failed, unless it may', () => {
    const sent: SenderEntry[] = [...queued(1), { event: 'failed', to, nonce: '1', code: 'x' }];
    breaks(/"s 1" failed with x/, { sent, received: [], posted: [] });
  });

  it('sees a gap of blocks that were there to be read, or that the recipient had read', () => {
    const gap: RecipientEntry = { event: 'gap', first: 2, last: 3 };
    const evidence = { sent: queued(1), received: [...handled(1), gap], posted: posted(1) };
    const untrue = /blocks 2 to 3 were told to be missing, and were there to be read/;
    breaks(untrue, evidence);
    breaks(untrue, { ...evidence, missed: [{ first: 2, last: 2 }] });
    const missed = [{ first: 1, last: 3 }];
    assert.deepEqual(verdictOf({ ...evidence, missed }).broken, []);
    const read = { ...delivered(1), block: 2 } as RecipientEntry;
    breaks(/delivered of block 2, which was told to be missing/, {
      ...evidence,
      received: [read, acknowledged(1), gap],
      missed,
    });
  });

  it('excuses what is only in blocks that a gap names and that the run has had forgotten', () => {
    const gap: RecipientEntry = { event: 'gap', first: 2, last: 2 };
    const missed = [{ first: 1, last: 2 }];
    const evidence = { sent: queued(1, 2), received: [...handled(1), gap], missed };
    assert.equal(verdictOf({ ...evidence, posted: posted(1, 2) }).missedByGap, 1);
    breaks(/never arrived/, { ...evidence, posted: posted(1).concat({ ...posted(2)[0]!, block: 3 }) });
    const received = [...handled(1), early(2), { event: 'retracted', id: id(2) } as const, gap];
    const takenBack = verdictOf({ sent: queued(1, 2), received, posted: posted(1, 2), finality: 'best', missed });
    assert.deepEqual([takenBack.broken, takenBack.missedByGap], [[], 1]);
  });

  it('holds best recipients to bringing back what a reorg took, and finalized ones to taking nothing back', () => {
    const evidence = { sent: queued(1), posted: posted(1) };
    const retracted: RecipientEntry = { event: 'retracted', id: id(1) };
    const reinstated: RecipientEntry = { event: 'reinstated', id: id(1) };
    const best = { ...evidence, finality: 'best' } as const;
    const handledEarly = [early(1), acknowledged(1)];
    assert.deepEqual(verdictOf({ ...best, received: [...handledEarly, retracted, reinstated, final(1)] }).broken, []);
    const again = [...handledEarly, retracted, delivered(1), started, ...handled(1)];
    assert.deepEqual(verdictOf({ ...best, received: again }).broken, []);
    breaks(/taken back and never came again/, { ...best, received: [...handledEarly, retracted] });
    const { broken } = verdictOf({ ...evidence, received: [...handled(1), retracted, ...handled(1)] });
    assert.match(broken.join('; '), /finalized message was taken back/);
  });

  it('holds best recipients to taking nothing back that was handed out as final', () => {
    const best = { sent: queued(1), posted: posted(1), finality: 'best' } as const;
    const retracted: RecipientEntry = { event: 'retracted', id: id(1) };
    const reinstated: RecipientEntry = { event: 'reinstated', id: id(1) };
    const final = /taken back after it was told to be final/;
    breaks(final, { ...best, received: [...handled(1), retracted, ...handled(1)] });
    breaks(final, { ...best, received: [...handled(1), retracted, reinstated] });
    breaks(final, { ...best, received: [early(1), retracted, ...handled(1), retracted, ...handled(1)] });
  });

  it('sees what is told to be back and was never handed out, or twice in a run, or to who gets nothing else', () => {
    const best = { sent: queued(1), posted: posted(1), finality: 'best' } as const;
    const retracted: RecipientEntry = { event: 'retracted', id: id(1) };
    const reinstated = (n: number): RecipientEntry => ({ event: 'reinstated', id: id(n) });
    const back = [early(1), acknowledged(1), retracted, reinstated(1)];
    assert.deepEqual(verdictOf({ ...best, received: [...back, retracted, reinstated(1), final(1)] }).broken, []);
    assert.deepEqual(verdictOf({ ...best, received: [...back, started, reinstated(1), final(1)] }).broken, []);
    breaks(/told to be back twice in one run/, { ...best, received: [...back, reinstated(1), final(1)] });
    breaks(/told to be back and was never handed out/, { ...best, received: [reinstated(2), ...handled(1)] });
    breaks(/told to be back to who gets nothing else/, {
      ...{ ...best, finality: 'finalized', received: [...handled(1), reinstated(1)] },
    });
  });

  it('holds best recipients to telling of each early message that it is final, once in a run and for good', () => {
    const best = { sent: queued(1), posted: posted(1), finality: 'best' } as const;
    const handledEarly = [early(1), acknowledged(1)];
    const retracted: RecipientEntry = { event: 'retracted', id: id(1) };
    const reinstated: RecipientEntry = { event: 'reinstated', id: id(1) };
    assert.deepEqual(verdictOf({ ...best, received: [...handledEarly, final(1)] }).broken, []);
    assert.deepEqual(verdictOf({ ...best, received: [...handledEarly, final(1), started, final(1)] }).broken, []);
    assert.deepEqual(verdictOf({ ...best, received: [...handledEarly, retracted, started, ...handled(1)] }).broken, []);
    breaks(/early and never told to be final/, { ...best, received: handledEarly });
    breaks(/early and never told to be final/, { ...best, received: [early(1), started, ...handled(1)] });
    breaks(/early and never told to be final/, {
      ...{ ...best, received: [...handledEarly, final(1), started, retracted, reinstated] },
    });
    // One that was a dead letter meanwhile comes as what it is then.
    const dead: RecipientEntry = { event: 'dead', id: id(1), code: 'open-failed' };
    assert.deepEqual(verdictOf({ ...best, received: [early(1), started, dead, ...handled(1)] }).broken, []);
    breaks(/early and never told to be final/, { ...best, received: [early(1), started, dead, ...handledEarly] });
    const ofOthers: RecipientEntry = { ...dead, code: 'sender-not-proven' };
    breaks(/early and never told to be final/, { ...best, received: [...handledEarly, ofOthers] });
    breaks(/told to be final twice in one run/, { ...best, received: [...handledEarly, final(1), final(1)] });
    breaks(/taken back after it was told to be final/, {
      ...{ ...best, received: [...handledEarly, final(1), retracted, reinstated, started, final(1)] },
    });
    breaks(/delivered as early after it was told/, {
      ...best,
      received: [early(1), final(1), started, ...handledEarly],
    });
  });

  it('sees what is told to be final and was never handed out, and what is early where all is final', () => {
    const best = { sent: queued(1), posted: posted(1), finality: 'best' } as const;
    breaks(/and was never handed out/, { ...best, received: [final(2), ...handled(1)] });
    const retracted: RecipientEntry = { event: 'retracted', id: id(2) };
    breaks(/taken back and was never handed out/, { ...best, received: [retracted, ...handled(1)] });
    // The process before may have died right before it handed it out.
    assert.deepEqual(verdictOf({ ...best, received: [started, retracted, ...handled(1)] }).broken, []);
    breaks(/taken back and was never handed out/, { ...best, received: [started, ...handled(1), retracted] });
    // Or before its consumer was done with an earlier one, which comes again before it.
    assert.deepEqual(
      verdictOf({ ...best, received: [delivered(1), started, delivered(1), retracted, acknowledged(1)] }).broken,
      [],
    );
    breaks(/before its block was final/, { ...best, finality: 'finalized', received: [early(1), acknowledged(1)] });
  });
});
