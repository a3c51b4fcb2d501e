import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import { topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { alice, utf8 } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

const infoLevel = 30;
const warnLevel = 40;

describe('cli: what a relay logs of its own entity', () => {
  const folder = useTempDir();
  let dev: DevChain;

  before(async () => {
    dev = await startDevChain();
  });

  after(() => dev.stop());

  it('is warnings with a code and a remedy: of its inbox, its entry, its queue and its connection', async () => {
    const [vault, other] = [folder('own.vault'), folder('other.vault')];
    const identities: string[] = [];
    for (const [path, ...endpoints] of [[vault], [other, `http://127.0.0.1:${await freePort()}`]] as const) {
      identities.push(await makeVault(path));
      await register(dev.ws, path, ...endpoints);
    }
    const [own = '', away = ''] = identities;
    const toOther = [
      'send',
      '--ws',
      dev.ws,
      '--vault',
      vault,
      '--to',
      away,
      '--via',
      'relay',
      '--timeout',
      '1',
      'later',
    ];
    assert.equal((await runCli(toOther)).code, 1);
    const place = [
      '--ws',
      dev.ws,
      '--vault',
      vault,
      '--listen',
      '127.0.0.1:0',
      '--timeout',
      '1',
      '--log-level',
      'info',
    ];
    // An account that can not pay for the rotation that is due at once.
    const due = ['--rotate-every', '0.000001'];
    await using serving = new RunningCli(['serve', ...place, ...due], { KHALA_RELAY_SURI: '//nobody ever paid me' });
    await serving.line(({ event }) => event === 'ready');
    const first = await until(() => logOf(serving).find(({ code }) => code === 'reading-from'));
    assert.equal(first['level'], infoLevel);
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const garbage = { kind: 'push-message', destination: topicOf(own as Hex), payload: utf8('garbage') } as const;
    await chain.submit([garbage], alice);

    const warned = (words: string): Promise<Line> =>
      until(() => logOf(serving).find(({ level, msg }) => level === warnLevel && String(msg).includes(words)));
    for (const [words, code] of [
      ['can not be delivered', undefined],
      ['the entry on chain can not be kept yet', 'balance-too-low'],
      ['a queued message can not go yet', 'endpoint-failed'],
    ] as const) {
      const line = await warned(words);
      assert.ok(code === undefined ? typeof line['code'] === 'string' : line['code'] === code, JSON.stringify(line));
      assert.ok(String(line['remedy']).length > 0, JSON.stringify(line));
    }
    await dev.stop();
    await warned('connection');
  }).timeout(300_000);
});

/** Each line of its stderr; throws of one that is no JSON. */
function logOf({ log: stderr }: RunningCli): Line[] {
  return stderr
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}
