import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ready } from '../../src/crypto/index.ts';
import { command, playOn, type Command, type Model } from '../support/simulation/commands.ts';
import { modelRuns } from '../support/simulation/model-runs.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import { InboxWorld } from './inbox-world.ts';

type WorldCommand = Command<InboxWorld>;

const sends = { adds: { messages: 1 } };
const builds = { adds: { blocks: 1 } };
const both = { adds: { messages: 1, blocks: 1 } };
const hasBlocks = { needs: { blocks: 1 } };
const sendAndBuild = async (world: InboxWorld): Promise<void> => {
  await world.send('account');
  await world.build(false);
};

const commands = fc.commands<Model, InboxWorld, false>(
  [
    fc.constantFrom('worker', 'account').map((kind) => command(`send as ${kind}`, (world) => world.send(kind), sends)),
    fc.boolean().map((both) => command(`off chain${both ? ' and on' : ''}`, (world) => world.relay(both), sends)),
    fc
      .nat(20)
      .map((n) => command(`message ${n} again, and garbage`, (world) => world.again(n), { needs: { messages: 1 } })),
    fc.constant(command('build', (world) => world.build(false), builds)),
    fc.constant(command('send and build', sendAndBuild, both)),
    fc.constant(command('send and build', sendAndBuild, both)),
    fc.constant(command('build an empty block', (world) => world.build(true), builds)),
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
      .map(([depth, isKept]) =>
        command(`reorg ${depth} ${isKept ? 'keeping' : 'losing'}`, (world) => world.reorg(depth, isKept), hasBlocks),
      ),
    fc.nat(3).map((lag) => command(`finalize all but ${lag}`, (world) => world.finalize(lag), hasBlocks)),
    fc.constant(command('prune', (world) => world.prune(), hasBlocks)),
    fc.boolean().map((isHolding) => command(`hold back ${isHolding}`, (world) => world.hold(isHolding))),
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
    fc.constant(command('kill', (world) => world.kill())),
    fc.boolean().map((isAway) => command(isAway ? 'go down' : 'come back', (world) => world.stayAway(isAway))),
  ],
  { size: 'max', maxCommands: 16 },
);

/** Plays the commands, with a process that dies at one of its commits, and judges. Gives the number of commits. */
async function play(finality: 'finalized' | 'best', cmds: Iterable<WorldCommand>, death?: Death): Promise<number> {
  const world = new InboxWorld(finality, death);
  await world.start();
  await playOn(world, cmds);
  const { broken } = await world.end();
  const where = death === undefined ? 'without a death' : `dead ${death.when} commit ${death.commit}`;
  assert.deepEqual(broken, [], where);
  return world.commits;
}

describe('inbox: the model, with a crash at every commit', () => {
  before(ready);

  for (const finality of ['finalized', 'best'] as const)
    it(`delivers each message once (${finality})`, async () => {
      let plays = 0;
      await fc.assert(
        fc.asyncProperty(commands, async (cmds) => {
          const commits = await play(finality, cmds);
          for (let commit = 1; commit <= commits; commit++)
            for (const when of ['before', 'after'] as const) {
              await play(finality, cmds, { commit, when });
              plays++;
            }
        }),
        modelRuns(12),
      );
      assert.ok(plays > 0, 'it died somewhere');
    }).timeout(300_000);

  it('tells nothing to be final that a reorg took while the consumer was done with it', async () => {
    const world = new InboxWorld('best');
    await world.start();
    await world.hold(true);
    await world.send('account');
    await world.build(false);
    await world.acknowledgeLate((chain) => chain.reorg(1, false));
    assert.deepEqual((await world.end()).broken, []);
  });

  it('keeps nothing of a message that is final while the consumer is done with it', async () => {
    const world = new InboxWorld('best');
    await world.start();
    await world.hold(true);
    await world.send('account');
    await world.build(false);
    await world.build(true);
    await world.acknowledgeLate((chain) => chain.finalize(0));
    assert.deepEqual((await world.end()).broken, []);
  });

  it('tells once that a message is final which a reorg moved to another block of its height', async () => {
    const world = new InboxWorld('best');
    await world.start();
    await world.hold(true);
    await world.build(true);
    await world.send('account');
    await world.build(false);
    await world.stayAway(true);
    await world.reorg(2, true);
    await world.build(false);
    await world.finalize(0);
    await world.stayAway(false);
    await world.build(true);
    await world.finalize(0);
    assert.deepEqual((await world.end()).broken, []);
  });

  it('keeps what a reorg brings into a lower block that is final before the inbox is back', async () => {
    const world = new InboxWorld('best');
    await world.start();
    for (let n = 0; n < 3; n++) await world.build(true);
    await world.send('account');
    await world.build(false);
    await world.stayAway(true);
    await world.reorg(4, true);
    await world.build(false);
    await world.finalize(0);
    await world.stayAway(false);
    for (let n = 0; n < 4; n++) await world.build(true);
    assert.deepEqual((await world.end()).broken, []);
  });
});
