import fc from 'fast-check';
import { ready } from '../../../src/crypto/index.ts';
import { command, hasBlocks, sends } from '../../support/simulation/commands.ts';
import { playDyingEverywhere, playFailingEverywhere } from '../../support/simulation/plays.ts';
import { commonKinds, often, type Kinds } from '../../support/simulation/schedules.ts';
import { ListenerWorld } from './listener-world.ts';

const kinds: Kinds<ListenerWorld> = [
  ...commonKinds<ListenerWorld>(),
  often(8, fc.constant(command('post', (world) => world.post(), sends))),
  often(2, fc.constant(command('post garbage', (world) => world.postGarbage(), sends))),
  fc.constant(command('prune', ({ lives }) => lives.prune({ bodies: false }), hasBlocks)),
  fc.boolean().map((isHolding) => command(`hold back ${isHolding}`, (world) => world.hold(isHolding))),
];

describe('phala listener: the model, with a crash at every commit', () => {
  before(ready);

  it('delivers each posting of a finalized block once, in order, or keeps it as a dead letter, but for blocks that it names as missing', async () => {
    await playDyingEverywhere((death) => new ListenerWorld(death), kinds, { usualRuns: 20 });
  }).timeout(300_000);

  it('delivers each where its store refuses a commit and it lives on', async () => {
    await playFailingEverywhere((death) => new ListenerWorld(death), kinds, { usualRuns: 20 });
  }).timeout(300_000);
});
