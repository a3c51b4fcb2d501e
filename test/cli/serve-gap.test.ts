import assert from 'node:assert/strict';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

const days = (seconds: number): string => String(seconds / 86_400);

describe('cli: serve --vault whose own inbox ends at a gap', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let port: number;
  let own: string;
  let other: string;
  const path = (name: string): string => `${folder.path}/${name}`;

  beforeEach(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    own = await makeVault(path('own'));
    other = await makeVault(path('other'));
    await makeVault(path('sender'));
    await register(dev.ws, path('own'), endpoint);
    await register(dev.ws, path('other'), endpoint);
    await register(dev.ws, path('sender'));
  });
  afterEach(async () => {
    await dev.stop();
    await folder.remove();
  });

  const serve = (...args: readonly string[]): RunningCli =>
    new RunningCli(['serve', '--ws', dev.ws, '--vault', path('own'), '--listen', `127.0.0.1:${port}`, ...args]);
  const send = async (from: string, to: string, text: string): Promise<Line | undefined> => {
    const place = ['--ws', dev.ws, '--vault', path(from), '--to', to, '--via', 'relay', '--timeout', '2'];
    return (await runCli(['send', ...place, '--json', text])).lines[0];
  };
  const makeGap = async (): Promise<void> => {
    for (let n = 0; n < 12; n++) await dev.newBlock({ empty: true });
    dev.pruneBefore(dev.finalized.number);
  };
  const received = async (count: number): Promise<unknown[]> => {
    const relay = ['--relay', `http://127.0.0.1:${port}`, '--count', String(count)];
    const listening = ['listen', '--ws', dev.ws, '--vault', path('other'), ...relay, '--json'];
    const { lines } = await runCli(listening);
    return lines.flatMap(({ text }) => (text === undefined ? [] : [text]));
  };
  const eventsOf = ({ lines }: RunningCli): unknown[] => lines.map(({ event }) => event);
  const isEnd = ({ event }: Line): boolean => event === 'inbox-ended';

  it('says so instead of ready where it can not begin, and serves the mailboxes of others and its own queue', async () => {
    assert.equal((await send('own', other, 'from the queue'))?.['event'], 'queued');
    await makeGap();
    await using serving = serve('--from', '1');
    const { code, url, identity } = await serving.line(isEnd);
    assert.deepEqual([code, url, identity], ['blocks-missing', `http://127.0.0.1:${port}`, own]);
    assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    assert.equal((await send('sender', other, 'from another'))?.['status'], 'stored');
    assert.deepEqual((await received(2)).toSorted(), ['from another', 'from the queue']);
    assert.deepEqual(eventsOf(serving), ['inbox-ended']);
    assert.equal(await serving.end(), 1);
    assert.match(serving.log, /\[blocks-missing\]/);
  });

  it('keeps what comes for its own entity, and hands it out once the gap is passed over', async () => {
    await makeGap();
    await using serving = serve('--from', '1');
    await serving.line(isEnd);
    assert.equal((await send('sender', own, 'meanwhile'))?.['status'], 'delivered');
    await serving.end();
    await using again = serve('--from', '1', '--on-gap', 'skip');
    await again.line(({ text }) => text === 'meanwhile');
    await again.line(({ event }) => event === 'gap');
  });

  it('says so where it ends later, goes on for others, and erases no EcdhKey from then on', async () => {
    await using serving = serve('--suri', '//Alice', '--rotate-every', days(2), '--keep-epochs', '0');
    await serving.line(({ event }) => event === 'ready');
    await serving.line(({ event }) => event === 'erased');
    serving.signal('SIGSTOP');
    await makeGap();
    serving.signal('SIGCONT');
    assert.equal((await serving.line(isEnd))['code'], 'blocks-missing');
    const rotations = (): Line[] => serving.lines.slice(serving.lines.findIndex(isEnd)).filter(isRotated);
    await serving.line(() => rotations().length >= 3);
    // What was looked at before it ended may be told after it.
    const [first] = rotations();
    const later = serving.lines.slice(serving.lines.indexOf(first ?? {}));
    assert.deepEqual(
      later.filter(({ event }) => event === 'erased'),
      [],
    );
    assert.equal((await send('sender', other, 'for another'))?.['status'], 'stored');
    assert.deepEqual(await received(1), ['for another']);
    assert.equal(await serving.end(), 1);
  });
}).timeout(180_000);

const isRotated = ({ event }: Line): boolean => event === 'rotated';
