import assert from 'node:assert/strict';
import { useEndpoints } from '../support/endpoints.ts';
import { Refusal, type Alter } from '../support/rpc-proxy.ts';
import { describeOnChains, type StartedChain } from '../support/shared-chain.ts';
import { RunningCli, runCli } from './run-cli.ts';

const foreignHash = `0x${'13'.repeat(32)}`;
const isForeign: Alter = (method, [number], result) =>
  method === 'chain_getBlockHash' && number === 0 ? foreignHash : result;
const lies: Alter = (method, _, result) => (method === 'state_getReadProof' ? { proof: ['0x00'] } : result);

describeOnChains('what the command line says of endpoints that are found out', { workers: 2 }, (node) => {
  const { proxy } = useEndpoints(() => node.ws);
  let fork: StartedChain;
  before(async () => {
    await node.grow(3);
    fork = await node.startRival();
  });
  after(() => fork[Symbol.asyncDispose]());
  const ws = (...urls: readonly string[]): string[] => urls.flatMap((url) => ['--ws', url]);

  it('is an event of workers --watch --json, and a line on stderr', async () => {
    const [liar, foreign, other] = [await proxy(lies), await proxy(isForeign), await proxy()];
    const genesis = ['--genesis', node.genesisHash, '--verify', 'always'];
    await using watch = new RunningCli([
      'workers',
      '--watch',
      ...genesis,
      ...ws(foreign.ws, liar.ws, node.ws, other.ws),
    ]);
    const caught = await watch.line(({ event, code }) => event === 'node-fault' && code === 'node-lies');
    assert.deepEqual([caught['ws'], caught['left']], [liar.ws, true]);
    assert.match(String(caught['message']), /lies about block/);
    assert.ok(Number(caught['at']) > 1_600_000_000_000);
    const refused = await watch.line(({ event, code }) => event === 'node-fault' && code === 'wrong-chain');
    assert.deepEqual([refused['ws'], refused['left']], [foreign.ws, false]);
    assert.equal(watch.lines.filter(({ event }) => event === 'added').length, 2);
    assert.ok(watch.log.includes('lies, it is left') && watch.log.includes(liar.ws), watch.log);
    assert.ok(watch.log.includes('of another chain') && watch.log.includes(foreignHash), watch.log);
  });

  it('is a line on stderr of a command without --json', async () => {
    const liar = await proxy(lies);
    const { code, stderr, stdout } = await runCli(['workers', ...ws(liar.ws, node.ws)]);
    assert.equal(code, 0, stderr);
    assert.ok(stderr.includes('lies, it is left') && stderr.includes(liar.ws), stderr);
    assert.ok(!stdout.includes('lies'), stdout);
  });

  it('is a finding of doctor, which names the one that the others contradict', async () => {
    const other = await proxy();
    const { code, lines, stderr } = await runCli(['doctor', ...ws(node.ws, other.ws, fork.ws), '--json']);
    assert.equal(code, 0, stderr);
    const named = lines.filter(({ finding }) => String(finding).includes('lies about block'));
    assert.deepEqual(
      named.map(({ ok, ws }) => [ok, ws]),
      [[false, fork.ws]],
    );
    assert.match(String(named[0]?.['finding']), /Use nodes that you/);
  });

  for (const quorum of ['1', '2'])
    it(`is a finding of doctor where it has another finalized block, or says nothing (--quorum ${quorum})`, async () => {
      const mute = await proxy();
      mute.refuse = (method) => (method === 'chain_getFinalizedHead' ? new Refusal('Not here', -32_000) : undefined);
      const urls = ws(node.ws, fork.ws, mute.ws, (await proxy()).ws);
      const { code, lines, stderr } = await runCli(['doctor', ...urls, '--quorum', quorum, '--timeout', '2', '--json']);
      assert.equal(code, 0, stderr);
      const about = (url: string, text: string): readonly unknown[] =>
        lines.filter((line) => line['ws'] === url && String(line['finding']).includes(text)).map(({ ok }) => ok);
      assert.deepEqual(about(fork.ws, 'lies about block'), [false]);
      assert.deepEqual(about(mute.ws, 'does not say what it has finalized'), [false]);
      assert.deepEqual([about(node.ws, 'lies'), about(node.ws, 'does not say')], [[], []]);
      const last = lines.at(-1);
      assert.ok(last?.['ok'] === true, JSON.stringify(last));
      assert.match(String(last['finding']), /^2 of 4 endpoints agree on finalized block \d/);
    });

  it('is a finding of doctor where two have different blocks and no third one settles it, whatever the quorum', async () => {
    for (const quorum of ['1', '2']) {
      const { lines } = await runCli(['doctor', ...ws(node.ws, fork.ws), '--quorum', quorum, '--json']);
      const { ok, finding } = lines.at(-1) ?? {};
      assert.equal(ok, false);
      for (const text of ['do not agree on finalized block', node.ws, fork.ws])
        assert.ok(String(finding).includes(text), String(finding));
    }
  });

  it('is a finding of doctor, which names the one of another chain', async () => {
    const foreign = await proxy(isForeign);
    const urls = ws(node.ws, foreign.ws);
    const { code, lines } = await runCli(['doctor', ...urls, '--timeout', '2', '--json']);
    assert.equal(code, 0);
    const named = lines.filter(({ ws, finding }) => ws === foreign.ws && String(finding).includes('another chain'));
    assert.equal(named.length, 1);
    assert.ok(named[0]?.['ok'] === false && String(named[0]['finding']).includes(foreignHash));
    const asked = await runCli(['doctor', ...urls, '--genesis', node.genesisHash, '--timeout', '2', '--json']);
    assert.equal(
      asked.lines.filter((line) => line['ws'] === foreign.ws && String(line['finding']).includes(foreignHash)).length,
      1,
    );
  });
});
