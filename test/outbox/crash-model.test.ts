import fc from 'fast-check';
import { ready } from '../../src/crypto/index.ts';
import { builds, command, hasBlocks, hasMessages, sends } from '../support/simulation/commands.ts';
import { dyingEverywhere, play, playDyingEverywhere, playFailingEverywhere } from '../support/simulation/plays.ts';
import { commonKinds, often, type Kinds } from '../support/simulation/schedules.ts';
import { shortPauses } from '../support/simulation/short-pauses.ts';
import { OutboxWorld } from './model/outbox-world.ts';

const kind = fc.constantFrom('worker', 'account');

const kinds: Kinds<OutboxWorld> = [
  ...commonKinds<OutboxWorld>(),
  often(4, fc.constant(command('send by chain', (world) => world.send('worker', 'chain'), sends))),
  often(3, fc.constant(command('send by auto', (world) => world.send('worker', 'auto'), sends))),
  fc.constant(command('send by relay', (world) => world.send('worker', 'relay'), sends)),
  often(2, fc.constant(command('send as account', (world) => world.send('account', 'chain'), sends))),
  often(
    2,
    fc
      .constantFrom(
        ...([
          ['worker', 'chain'],
          ['worker', 'auto'],
          ['worker', 'relay'],
          ['account', 'chain'],
        ] as const),
      )
      .map(([as, via]) => command(`send as ${as} by ${via} to another`, (world) => world.send(as, via, 1), sends)),
  ),
  kind.map((as) => command(`command as ${as}`, (world) => world.sendCommand(as), sends)),
  fc.constant(command('an era passes', (world) => world.outliveEras(), builds)),
  fc
    .constantFrom('there', 'away', 'losing answers')
    .map((state) => command(`the relay is ${state}`, (world) => world.relayIs(state))),
  fc.constant(command('the recipient takes its mail', (world) => world.takeMail(), hasMessages)),
  fc
    .constantFrom('extrinsic', 'answer')
    .map((what) => command(`lose the next ${what}`, (world) => world.loseNext(what))),
  fc
    .array(fc.constantFrom('nonce-conflict', 'balance-too-low', 'pool-full', 'extrinsic-rejected'), {
      minLength: 1,
      maxLength: 3,
    })
    .map((denials) => command(`take, and say ${denials.join(', ')}`, (world) => world.denyNext(denials))),
  fc
    .constantFrom('balance-too-low', 'extrinsic-rejected')
    .map((refusal) => command(`refuse with ${refusal}`, (world) => world.refuseNext(refusal))),
  fc.constant(command('retry what was refused', (world) => world.retryRefused(), hasMessages)),
  often(
    2,
    fc.nat(3).map((n) => command(`steal signed message ${n}`, (world) => world.steal(n), hasMessages)),
  ),
  fc.constant(command('another user of the account', (world) => world.compete())),
  fc.constant(command('another user of the worker', (world) => world.shareWorker())),
  fc.constant(command('invalid here, kept elsewhere', (world) => world.giveUp(), hasMessages)),
  fc.constant(command('build elsewhere', (world) => world.buildElsewhere(), builds)),
  fc.constant(command('prune states', (world) => world.prune({ bodies: false }), hasBlocks)),
  fc.constant(command('prune states and bodies', (world) => world.prune({ bodies: true }), hasBlocks)),
  fc
    .boolean()
    .map((hasAccount) =>
      command(`start again with${hasAccount ? '' : 'out'} an account`, (world) => world.startAgain(hasAccount)),
    ),
  fc
    .boolean()
    .map((isFiltering) => command(`the runtime refuses calls: ${isFiltering}`, (world) => world.filter(isFiltering))),
  fc.nat(5).map((n) => command(`give up message ${n}`, (world) => world.giveUpMessage(n), hasMessages)),
];

/** A schedule that is written down. */
async function plays(...schedule: ((world: OutboxWorld) => Promise<void> | void)[]): Promise<void> {
  await play(
    new OutboxWorld(),
    schedule.map((run) => command('', run)),
  );
}

describe('outbox: the model, with a crash at every commit', () => {
  before(ready);

  it('sends each message once and in order, whichever way', async () => {
    await playDyingEverywhere((death) => new OutboxWorld(death), kinds, { usualRuns: 15, seed: 4 });
  }).timeout(300_000);

  it('sends each message once and in order, whichever way, where its store refuses a commit and it lives on', async () => {
    await playFailingEverywhere((death) => new OutboxWorld(death), kinds, { usualRuns: 15, seed: 8 });
  }).timeout(300_000);

  it('keeps the order where other software of the worker uses the sequence of the first', async () => {
    await plays(
      (world) => world.send('worker', 'chain'),
      (world) => world.send('worker', 'chain'),
      (world) => world.shareWorker(),
    );
  });

  it('keeps the order of commands and of messages where other software of the worker uses the sequence of the first', async () => {
    for (const first of ['message', 'command'])
      await plays(
        (world) => (first === 'message' ? world.send('worker', 'chain') : world.sendCommand('worker')),
        (world) => world.sendCommand('worker'),
        (world) => world.send('worker', 'chain'),
        (world) => world.shareWorker(),
      );
  });

  it('sends each once where others post a later one first, and other software of the worker uses the sequence of the first', async () => {
    for (const stolen of [0, 1, 2])
      await plays(
        // Those behind it go in one extrinsic.
        (world) => world.send('worker', 'chain'),
        (world) => world.send('worker', 'chain'),
        (world) => world.send('worker', 'chain'),
        ({ lives }) => lives.build(false),
        (world) => world.steal(stolen),
        (world) => world.shareWorker(),
        ({ lives }) => lives.build(false),
      );
  });

  it('posts a command behind a message that was given up, and behind more of them than one extrinsic has room for', async () => {
    for (const messages of [1, 5])
      await plays(
        ({ lives }) => lives.build(true),
        ...Array.from({ length: messages }, () => (world: OutboxWorld) => world.send('worker', 'chain')),
        (world) => world.sendCommand('worker'),
        ({ lives }) => lives.build(false),
        ({ lives }) => lives.reorg(1, false),
        ...Array.from({ length: messages }, () => (world: OutboxWorld) => world.giveUpMessage(0)),
      );
  });

  it('posts nothing that the relay has taken, where that can not be written down at once', async () => {
    using _ = shortPauses();
    const schedule = [command<OutboxWorld>('', (world) => world.send('worker', 'auto'))];
    await dyingEverywhere((death) => new OutboxWorld(death), schedule, ['fails']);
  });

  it('sends again what an extrinsic did not bring in, where its block is final and nobody knows any more what became of it', async () => {
    for (const what of ['message', 'command'])
      await plays(
        (world) => world.send('worker', 'chain'),
        // These go in one extrinsic.
        (world) => (what === 'message' ? world.send('worker', 'chain') : world.sendCommand('worker')),
        (world) => world.send('worker', 'chain'),
        ({ lives }) => lives.build(false),
        (world) => world.giveUp(),
        (world) => world.shareWorker(),
        // It is posted again behind the block that used the first of its sequences.
        ({ lives }) => lives.build(false),
        ({ lives }) => lives.finalize(0),
        ({ lives }) => lives.build(false),
        ({ lives }) => lives.stayAway(true),
        ({ lives }) => lives.build(true),
        ({ lives }) => lives.finalize(0),
        (world) => world.prune({ bodies: false }),
        ({ lives }) => lives.stayAway(false),
      );
  });

  it('finds what someone else posted on a branch that parts below the block at which it was signed', async () => {
    await plays(
      ({ lives }) => lives.build(true),
      ({ lives }) => lives.build(true),
      (world) => world.send('worker', 'chain'),
      (world) => world.steal(0),
      ({ lives }) => lives.reorg(2, true),
      ({ lives }) => lives.build(false),
    );
  });
});
