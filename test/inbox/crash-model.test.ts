import fc from 'fast-check';
import { ready } from '../../src/crypto/index.ts';
import { builds, command, hasBlocks, hasMessages, sends } from '../support/simulation/commands.ts';
import { dyingEverywhere, play, playDyingEverywhere, playFailingEverywhere } from '../support/simulation/plays.ts';
import { commonKinds, often, type Kinds } from '../support/simulation/schedules.ts';
import type { Lives } from '../support/simulation/lives.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import { InboxWorld } from './model/inbox-world.ts';

const both = { adds: { messages: 1, blocks: 1 } };
const holds = (world: InboxWorld): Promise<void> => world.hold(true);
const sendAndBuild = async (world: InboxWorld): Promise<void> => {
  await world.send('account');
  await world.lives.build(false);
};

/** Of dead letters, the oldest first: some twice, and some where there is none. */
const places = fc.array(fc.nat(2), { minLength: 1, maxLength: 4 });

const kinds: Kinds<InboxWorld> = [
  ...commonKinds<InboxWorld>(),
  fc.constantFrom('worker', 'account').map((kind) => command(`send as ${kind}`, (world) => world.send(kind), sends)),
  fc
    .constantFrom('worker', 'account')
    .map((kind) => command(`send as ${kind}, others first`, (world) => world.impersonate(kind), sends)),
  fc.boolean().map((both) => command(`off chain${both ? ' and on' : ''}`, (world) => world.relay(both), sends)),
  often(
    2,
    fc
      .tuple(fc.nat(20), fc.boolean())
      .map(([n, isAnew]) =>
        command(
          `message ${n} off chain too${isAnew ? ', sealed anew' : ''}`,
          (world) => world.relayToo(n, isAnew),
          hasMessages,
        ),
      ),
  ),
  fc.nat(20).map((n) => command(`message ${n} again, and garbage`, (world) => world.again(n), hasMessages)),
  often(2, fc.constant(command('send and build', sendAndBuild, both))),
  fc.integer({ min: 3, max: 6 }).map((count) =>
    command(`a backlog of ${count}, one to a block`, (world) => world.backlog(count, 1), {
      adds: { messages: count, blocks: count },
    }),
  ),
  fc
    .integer({ min: 1, max: 2 })
    .map((count) => command(`the consumer is not done with ${count}`, (world) => world.fail(count))),
  often(
    3,
    fc.constantFrom(
      command<InboxWorld>('the vault opens', (world) => world.opens(true)),
      command<InboxWorld>('the vault opens nothing', (world) => world.opens(false)),
      command<InboxWorld>('killed, and the vault opens nothing', (world) => world.bury()),
    ),
  ),
  often(
    2,
    fc
      .tuple(places, fc.boolean())
      .map(([which, byItself]) =>
        command(
          `dead letters ${which.join(', ')} again, by ${byItself ? 'the inbox' : 'another process'}`,
          (world) => world.retry(which, byItself),
          hasMessages,
        ),
      ),
  ),
  places.map((which) =>
    command(`dead letters ${which.join(', ')} are removed`, (world) => world.discard(which), hasMessages),
  ),
  fc.constant(command('the key of the recipient is rotated', (world) => world.rotate())),
  fc.constant(command('keys of before are erased where nothing needs them', (world) => world.eraseOldKeys(), builds)),
  fc.constant(command('prune', ({ lives }) => lives.prune({ bodies: false }), hasBlocks)),
  often(2, fc.constant(command('hold back', holds))),
  fc.constant(command('hold back no more', (world) => world.hold(false))),
  fc
    .integer({ min: 1, max: 3 })
    .map((count) => command(`acknowledge ${count}`, (world) => world.acknowledgeSome(count), hasMessages)),
  fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
    .map(([depth, isKept]) =>
      command(
        `acknowledge late, beside a reorg ${depth} ${isKept ? 'keeping' : 'losing'}`,
        (world) => world.acknowledgeLate((chain) => chain.reorg(depth, isKept)),
        { ...hasBlocks, ...sends },
      ),
    ),
  fc
    .nat(3)
    .map((lag) =>
      command(
        `acknowledge late, beside all but ${lag} being final`,
        (world) => world.acknowledgeLate((chain) => chain.finalize(lag)),
        { ...hasBlocks, ...sends },
      ),
    ),
];

/** Where one node is believed. */
const madeUp: Kinds<InboxWorld> = [
  ...commonKinds<InboxWorld>(),
  often(3, fc.constant(command('send and build', sendAndBuild, both))),
  fc.constantFrom('worker', 'account').map((kind) => command(`send as ${kind}`, (world) => world.send(kind), sends)),
  fc
    .constantFrom('worker', 'account')
    .map((kind) => command(`send as ${kind}, others first`, (world) => world.impersonate(kind), sends)),
  fc.boolean().map((isHolding) => command(`hold back ${isHolding}`, (world) => world.hold(isHolding))),
  often(
    3,
    fc
      .tuple(fc.integer({ min: 1, max: 3 }), fc.boolean())
      .map(([count, isAway]) =>
        command(
          `the node makes up ${count} blocks${isAway ? ' meanwhile' : ''}`,
          (world) => world.makeUp(count, isAway),
          hasMessages,
        ),
      ),
  ),
];

/** A schedule that is written down. */
async function plays(
  finality: 'finalized' | 'best',
  ...schedule: ((world: InboxWorld) => Promise<void> | void)[]
): Promise<void> {
  await play(
    new InboxWorld(finality),
    schedule.map((run) => command('', run)),
  );
}

/** With seeds of few schedules in which each kind of command comes. */
const consumers = [
  ['acknowledges', 603],
  ['handles', 1681],
  ['is handed few at a time', 2538],
] as const;

const onChain = (work: (lives: Lives) => Promise<void>) => (world: InboxWorld) => work(world.lives);
describe('inbox: the model, with a crash at every commit', () => {
  before(ready);

  for (const finality of ['finalized', 'best'] as const) {
    for (const [consumer, seed] of consumers) {
      const schedules = { usualRuns: 8, seed };
      const make = (death?: Death) => new InboxWorld(finality, death, consumer);

      it(`delivers each message once (${finality}, the consumer ${consumer})`, async () => {
        await playDyingEverywhere(make, kinds, schedules);
      }).timeout(300_000);

      it(`delivers each message once where its store refuses a commit (${finality}, the consumer ${consumer})`, async () => {
        await playFailingEverywhere(make, kinds, schedules);
      }).timeout(300_000);
    }

    it(`delivers each of a backlog that is written while it is read, and acknowledged by the many, once (${finality})`, async () => {
      const schedule = [
        command<InboxWorld>('hold back', holds),
        command<InboxWorld>('spans', ({ lives }) => lives.comeInSpansOf([1, 2])),
        command<InboxWorld>('a backlog', (world) => world.backlog(96, 8), builds),
        command<InboxWorld>('acknowledge most', (world) => world.acknowledgeSome(80)),
      ];
      await dyingEverywhere((death) => new InboxWorld(finality, death), schedule);
    }).timeout(300_000);
  }

  for (const finality of ['finalized', 'best'] as const)
    for (const byItself of [true, false])
      it(`delivers once what is tried again by a number that is named twice, ${byItself ? 'by itself' : 'by another process'} (${finality})`, async () => {
        const schedule = [
          command<InboxWorld>('hold back', holds),
          ...[1, 2].map(() => command('send and build', sendAndBuild, both)),
          command<InboxWorld>('finalize', ({ lives }) => lives.finalize(0)),
          command<InboxWorld>('become dead letters', (world) => world.bury()),
          command('send and build', sendAndBuild, both),
          command<InboxWorld>('finalize', ({ lives }) => lives.finalize(0)),
          command<InboxWorld>('the vault opens', (world) => world.opens(true)),
          command<InboxWorld>('again', (world) => world.retry([1, 0, 1, 3, 0], byItself)),
          command('send and build', sendAndBuild, both),
        ];
        await dyingEverywhere((death) => new InboxWorld(finality, death), schedule);
      });

  for (const finality of ['finalized', 'best'] as const)
    it(`delivers each message once where the node makes up blocks (${finality})`, async () => {
      await playDyingEverywhere((death) => new InboxWorld(finality, death), madeUp, { usualRuns: 12 });
    }).timeout(300_000);

  it('reads the blocks that there are where the node had made up others by the time that it came back (best)', async () => {
    const schedule = [
      command('send and build', sendAndBuild, both),
      command<InboxWorld>('finalize', ({ lives }) => lives.finalize(0)),
      command<InboxWorld>('others first', (world) => world.impersonate('worker')),
      command('send and build', sendAndBuild, both),
      command<InboxWorld>('made up', (world) => world.makeUp(2, true)),
      command('send and build', sendAndBuild, both),
      command<InboxWorld>('finalize', ({ lives }) => lives.finalize(1)),
    ];
    await dyingEverywhere((death) => new InboxWorld('best', death), schedule);
  }).timeout(300_000);

  for (const isKept of [true, false])
    it(`tells nothing of what waits for room while its block is ${isKept ? 'moved' : 'lost'} in a reorg, and final`, async () => {
      const schedule = [
        command<InboxWorld>('hold back', holds),
        // What is final already has no notice that takes room.
        ...[1, 2].map(() => command<InboxWorld>('off chain', (world) => world.relay(false))),
        ...[1, 2].map(() => command<InboxWorld>('send', (world) => world.send('worker'))),
        ...Array.from({ length: 4 }, () => command('send and build', sendAndBuild, both)),
        command<InboxWorld>('reorg', ({ lives }) => lives.reorg(2, isKept)),
        command('send and build', sendAndBuild, both),
        command<InboxWorld>('finalize', ({ lives }) => lives.finalize(0)),
        command<InboxWorld>('acknowledge', (world) => world.acknowledgeSome(1)),
      ];
      await dyingEverywhere((death) => new InboxWorld('best', death, 'is handed few at a time'), schedule);
    }).timeout(300_000);

  for (const consumer of ['acknowledges', 'is handed few at a time'] as const)
    for (const isAnew of [true, false])
      it(`loses nothing that a relay brought too${isAnew ? ', sealed anew' : ''} where a reorg takes its block (the consumer ${consumer})`, async () => {
        const schedule = [
          command<InboxWorld>('hold back', holds),
          command<InboxWorld>('send', (world) => world.send('worker'), sends),
          ...[1, 2, 3].map(() => command('send and build', sendAndBuild, both)),
          command<InboxWorld>('off chain too', (world) => world.relayToo(0, isAnew)),
          command<InboxWorld>('reorg', ({ lives }) => lives.reorg(3, false)),
          command('send and build', sendAndBuild, both),
          command<InboxWorld>('finalize', ({ lives }) => lives.finalize(0)),
        ];
        await dyingEverywhere((death) => new InboxWorld('best', death, consumer), schedule);
      }).timeout(300_000);

  for (const [consumer] of consumers)
    for (const isKept of [true, false])
      it(`puts what does not open any more aside as it is by then, its block ${isKept ? 'moved' : 'lost'} in a reorg (the consumer ${consumer})`, async () => {
        const schedule = [
          command<InboxWorld>('hold back', holds),
          ...[1, 2, 3].map(() => command('send and build', sendAndBuild, both)),
          command<InboxWorld>('go down', ({ lives }) => lives.stayAway(true)),
          command<InboxWorld>('the vault opens nothing', (world) => world.opens(false)),
          command<InboxWorld>('reorg', ({ lives }) => lives.reorg(2, isKept)),
          ...[1, 2, 3].map(() => command<InboxWorld>('build', ({ lives }) => lives.build(false))),
          command<InboxWorld>('come back', ({ lives }) => lives.stayAway(false)),
        ];
        await dyingEverywhere((death) => new InboxWorld('best', death, consumer), schedule);
      }).timeout(300_000);

  it('takes back what was handed out early and is a dead letter by now', async () => {
    await plays(
      'best',
      holds,
      (world) => world.relay(false),
      sendAndBuild,
      (world) => world.bury(),
      onChain((lives) => lives.reorg(1, false)),
      sendAndBuild,
    );
  });

  it('tells nothing to be final that a reorg took while the consumer was done with it', async () => {
    await plays(
      'best',
      holds,
      (world) => world.send('account'),
      onChain((lives) => lives.build(false)),
      (world) => world.acknowledgeLate((chain) => chain.reorg(1, false)),
    );
  });

  it('keeps nothing of a message that is final while the consumer is done with it', async () => {
    await plays(
      'best',
      holds,
      (world) => world.send('account'),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.build(true)),
      (world) => world.acknowledgeLate((chain) => chain.finalize(0)),
    );
  });

  it('tells once that a message is final which a reorg moved to another block of its height', async () => {
    await plays(
      'best',
      holds,
      onChain((lives) => lives.build(true)),
      (world) => world.send('account'),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.stayAway(true)),
      onChain((lives) => lives.reorg(2, true)),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.finalize(0)),
      onChain((lives) => lives.stayAway(false)),
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.finalize(0)),
    );
  });

  it('tells nothing of the past of a message that comes as final after a restart', async () => {
    await plays(
      'best',
      holds,
      (world) => world.send('account'),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.reorg(1, true)),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.finalize(0)),
      onChain((lives) => lives.kill()),
    );
  });

  it('keeps what a reorg brings into a lower block that is final before the inbox is back', async () => {
    await plays(
      'best',
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.build(true)),
      (world) => world.send('account'),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.stayAway(true)),
      onChain((lives) => lives.reorg(4, true)),
      onChain((lives) => lives.build(false)),
      onChain((lives) => lives.finalize(0)),
      onChain((lives) => lives.stayAway(false)),
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.build(true)),
      onChain((lives) => lives.build(true)),
    );
  });
});
