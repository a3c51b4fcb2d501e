import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ready } from '../../src/crypto/index.ts';
import { command, playOn, type Command, type Model } from '../support/simulation/commands.ts';
import { modelRuns } from '../support/simulation/model-runs.ts';
import type { Death } from '../support/simulation/mortal-store.ts';
import { OutboxWorld } from './outbox-world.ts';

const kind = fc.constantFrom('worker', 'account');
const sends = { adds: { messages: 1 } };
const builds = { adds: { blocks: 1 } };
const hasBlocks = { needs: { blocks: 1 } };

const commands = fc.commands<Model, OutboxWorld, false>(
  [
    kind.map((as) => command(`send as ${as}`, (world) => world.send(as), sends)),
    kind.map((as) => command(`send as ${as}`, (world) => world.send(as), sends)),
    kind.map((as) => command(`command as ${as}`, (world) => world.sendCommand(as), sends)),
    fc.constant(command('build', (world) => world.build(false), builds)),
    fc.constant(command('build', (world) => world.build(false), builds)),
    fc.constant(command('build an empty block', (world) => world.build(true), builds)),
    fc.nat(3).map((lag) => command(`finalize all but ${lag}`, (world) => world.finalize(lag), hasBlocks)),
    fc
      .tuple(fc.integer({ min: 1, max: 4 }), fc.boolean())
      .map(([depth, isKept]) =>
        command(`reorg ${depth} ${isKept ? 'keeping' : 'losing'}`, (world) => world.reorg(depth, isKept), hasBlocks),
      ),
    fc.constant(command('an era passes', (world) => world.outliveEras(), builds)),
    fc
      .constantFrom('extrinsic', 'answer')
      .map((what) => command(`lose the next ${what}`, (world) => world.loseNext(what))),
    fc
      .array(fc.constantFrom('nonce-conflict', 'balance-too-low', 'pool-full'), { minLength: 1, maxLength: 3 })
      .map((denials) => command(`take, and say ${denials.join(', ')}`, (world) => world.denyNext(denials))),
    fc.constant(command('steal a signed message', (world) => world.steal(), { needs: { messages: 1 } })),
    fc.constant(command('another user of the account', (world) => world.compete())),
    fc.constant(command('another user of the worker', (world) => world.shareWorker())),
    fc.constant(command('invalid here, kept elsewhere', (world) => world.giveUp(), { needs: { messages: 1 } })),
    fc.constant(command('build elsewhere', (world) => world.buildElsewhere(), builds)),
    fc
      .boolean()
      .map((bodies) =>
        command(`prune states${bodies ? ' and bodies' : ''}`, (world) => world.prune({ bodies }), hasBlocks),
      ),
    fc
      .nat(5)
      .map((n) => command(`give up message ${n}`, (world) => world.giveUpMessage(n), { needs: { messages: 1 } })),
    fc.constant(command('kill', (world) => world.kill())),
  ],
  { size: 'max', maxCommands: 10 },
);

/** Plays the commands, with a process that dies at one of its commits, and judges. Gives the number of commits. */
async function play(cmds: Iterable<Command<OutboxWorld>>, death?: Death): Promise<number> {
  const world = new OutboxWorld(death);
  await world.start();
  await playOn(world, cmds);
  const { broken } = await world.end();
  const where = death === undefined ? 'without a death' : `dead ${death.when} commit ${death.commit}`;
  assert.deepEqual(broken, [], where);
  return world.commits;
}

describe('outbox: the model, with a crash at every commit', () => {
  before(ready);

  it('posts each message once and in order', async () => {
    let plays = 0;
    await fc.assert(
      fc.asyncProperty(commands, async (cmds) => {
        const commits = await play(cmds);
        for (let commit = 1; commit <= commits; commit++)
          for (const when of ['before', 'after'] as const) {
            await play(cmds, { commit, when });
            plays++;
          }
      }),
      modelRuns(30),
    );
    assert.ok(plays > 0, 'it died somewhere');
  }).timeout(300_000);

  it('keeps the order where other software of the worker uses the sequence of the first', async () => {
    const world = new OutboxWorld();
    await world.start();
    await world.send('worker');
    await world.send('worker');
    await world.shareWorker();
    assert.deepEqual((await world.end()).broken, []);
  });

  it('finds what someone else posted on a branch that parts below the block at which it was signed', async () => {
    const world = new OutboxWorld();
    await world.start();
    await world.build(true);
    await world.build(true);
    await world.send('worker');
    await world.steal();
    await world.reorg(2, true);
    await world.build(false);
    assert.deepEqual((await world.end()).broken, []);
  });
});
