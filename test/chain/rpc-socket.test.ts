import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { RawText } from '../../src/chain/rpc/raw-text.ts';
import { RpcSocket } from '../../src/chain/rpc/rpc-socket.ts';
import { collectGarbage, collectYoungGarbage } from '../support/collect-garbage.ts';
import { until } from '../support/until.ts';

/** A socket to a server that answers when it is told to, in what words it is told to. */
async function connected(): Promise<{
  readonly socket: RpcSocket;
  readonly frames: string[];
  /** Pongs that the server got, and pings, which it answers. */
  readonly pongs: () => number;
  readonly pings: () => number;
  readonly send: (frame: string) => void;
  [Symbol.dispose](): void;
}> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const frames: string[] = [];
  let pongs = 0;
  let pings = 0;
  let send: (frame: string) => void = () => undefined;
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => frames.push(data.toString()));
    socket.on('pong', () => (pongs += 1));
    socket.on('ping', () => (pings += 1));
    send = (frame) => socket.send(frame);
  });
  const { signal } = new AbortController();
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const socket = await RpcSocket.open(url, { timeoutMs: 10_000, signal });
  return {
    socket,
    frames,
    pongs: () => pongs,
    pings: () => pings,
    send: (frame) => send(frame),
    [Symbol.dispose]() {
      socket.close();
      server.close();
    },
  };
}

const newHeads = { subscribe: 'chain_subscribeNewHeads', unsubscribe: 'chain_unsubscribeNewHeads' };

describe('RpcSocket', () => {
  it('has a bounded number of frames on the way, batches too, and sends the rest in turn', async () => {
    using peer = await connected();
    const { socket, frames } = peer;
    const answer = (frame: string): void => {
      const requests = [JSON.parse(frame) as { id: number }].flat();
      const answers = requests.map(({ id }) => ({ jsonrpc: '2.0', id, result: id }));
      peer.send(JSON.stringify(frame.startsWith('[') ? answers : answers[0]));
    };
    const calls = ['one', 'two'].map((method) => ({ method, params: [] }));
    const wanted = Array.from({ length: 100 }, (_, i) =>
      i % 2 === 0 ? socket.requestAll(calls) : socket.request('x'),
    );
    await until(() => frames.length === 32);
    // Answered one by one: there are never more than so many without an answer.
    for (let answered = 0; answered < 100; answered++) {
      await until(() => frames.length === Math.min(100, answered + 32));
      answer(frames[answered]!);
    }
    const results = await Promise.all(wanted);
    assert.deepEqual(new Set(results.flat()).size, 150);
  });

  it('gives the text of a result to who reads that, and what JSON makes of it where the text is not as expected', async () => {
    using peer = await connected();
    const { socket } = peer;
    const reader = (result: RawText): unknown => {
      const text = String(result);
      return text.startsWith('[') ? { text } : undefined;
    };
    const ask = (): Promise<unknown> => socket.request('x', [], { reader });
    const asked = Array.from({ length: 5 }, ask);
    const words = [
      (id: number) => `{"jsonrpc":"2.0","id":${id},"result":["ä"]}`,
      (id: number) => `{"jsonrpc":"2.0","id":${id},"result":{"a":1}}`,
      (id: number) => `{"jsonrpc":"2.0","result":[2],"id":${id}}`,
      (id: number) => ` {"id":${id},"result":[3],"jsonrpc":"2.0"}`,
      (id: number) => `{"jsonrpc":"2.0","id":${id},"error":{"code":-1,"message":"no"}}`,
    ];
    await until(() => peer.frames.length === words.length);
    for (const [i, frame] of peer.frames.entries()) peer.send(words[i]!((JSON.parse(frame) as { id: number }).id));
    const settled = await Promise.allSettled(asked);
    assert.deepEqual(
      settled.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason))),
      [{ text: '["ä"]' }, { a: 1 }, { text: '[2]' }, [3], 'RpcError: no'],
    );
    // Of others the text is not looked at.
    const plain = socket.request('x');
    await until(() => peer.frames.length === words.length + 1);
    peer.send(words[0]!((JSON.parse(peer.frames.at(-1)!) as { id: number }).id));
    assert.deepEqual(await plain, ['ä']);
  });

  it('ends where what it gets is no JSON, for who reads text too', async () => {
    using peer = await connected();
    const asked = peer.socket.request('x', [], { reader: () => undefined });
    const refused = assert.rejects(asked, /not JSON/);
    await until(() => peer.frames.length === 1);
    peer.send('{"jsonrpc":"2.0","id":1,"result":["0x}');
    await refused;
    assert.equal(peer.socket.isOpen, false);
  });

  it('ends where who reads the text of a result throws, with an error for all who wait', async () => {
    using peer = await connected();
    const reader = (): never => {
      throw new RangeError('too much');
    };
    const asked = Promise.allSettled([peer.socket.request('x', [], { reader }), peer.socket.request('y')]);
    await until(() => peer.frames.length === 2);
    peer.send('{"jsonrpc":"2.0","id":1,"result":[]}');
    for (const outcome of await asked)
      assert.ok(outcome.status === 'rejected' && String(outcome.reason).includes('can not be read: too much'));
    assert.equal(peer.socket.isOpen, false);
  });

  it('ends where one of its requests has no answer in time, whatever the others have', async () => {
    using peer = await connected();
    const { socket } = peer;
    const patient = socket.request('patient', [], { timeoutMs: 60_000 });
    const hasty = socket.request('hasty', [], { timeoutMs: 2_000 });
    const answered = socket.request('answered', [], { timeoutMs: 1_900 });
    await until(() => peer.frames.length === 3);
    peer.send('{"jsonrpc":"2.0","id":3,"result":true}');
    assert.equal(await answered, true);
    for (const each of [patient, hasty]) await assert.rejects(each, /no answer to hasty within 2000 ms/);
    await assert.rejects(socket.request('late'), /no answer to hasty/);
  });

  it('sends something that asks for no answer when it waits, so that a node which waits for an acknowledgement gets one', async () => {
    using peer = await connected();
    const { socket, frames, pongs, pings } = peer;
    const [first, second] = [socket.request('first'), socket.request('second')];
    await until(() => frames.length === 2);
    assert.equal(pongs(), 0);
    peer.send('{"jsonrpc":"2.0","id":1,"result":1}');
    assert.equal(await first, 1);
    await until(() => pongs() === 1);
    peer.send('{"jsonrpc":"2.0","id":2,"result":2}');
    assert.equal(await second, 2);

    const values: unknown[] = [];
    const subscribed = socket.subscribe(newHeads, [], (value) => values.push(value));
    await until(() => frames.length === 3);
    peer.send('{"jsonrpc":"2.0","id":3,"result":"a"}');
    await subscribed;
    await until(() => pongs() === 2);
    peer.send('{"jsonrpc":"2.0","method":"x","params":{"subscription":"a","result":7}}');
    await until(() => values.length === 1);
    // Nothing more is due: this one comes before any pong that would have followed.
    const third = socket.request('third');
    await until(() => frames.length === 4);
    peer.send('{"jsonrpc":"2.0","id":4,"result":4}');
    assert.equal(await third, 4);
    assert.equal(pongs(), 2);
    // The answer to one would be put off in its turn, and all that follows it.
    assert.equal(pings(), 0);
  });

  it('tells subscriptions apart by their id, a number or a text', async () => {
    using peer = await connected();
    const methods = { subscribe: 'subscribe', unsubscribe: 'unsubscribe' };
    const heard: string[] = [];
    const first = peer.socket.subscribe(methods, [], (value) => heard.push(`1: ${String(value)}`));
    const second = peer.socket.subscribe(methods, [], (value) => heard.push(`"1": ${String(value)}`));
    await until(() => peer.frames.length === 2);
    peer.send('{"jsonrpc":"2.0","method":"told","params":{"subscription":"1","result":"early"}}');
    peer.send('{"jsonrpc":"2.0","id":1,"result":1}');
    peer.send('{"jsonrpc":"2.0","id":2,"result":"1"}');
    const [end] = await Promise.all([first, second]);
    peer.send('{"jsonrpc":"2.0","method":"told","params":{"subscription":1,"result":"a"}}');
    peer.send('{"jsonrpc":"2.0","method":"told","params":{"subscription":"1","result":"b"}}');
    await until(() => heard.length === 3);
    assert.deepEqual(heard, ['"1": early', '1: a', '"1": b']);
    end();
    await until(() => peer.frames.length === 3);
    assert.deepEqual((JSON.parse(peer.frames[2]!) as { params: unknown }).params, [1]);
  });

  it('keeps what comes for nobody only while a subscription is not answered, and 1 MiB of it', async () => {
    using peer = await connected();
    const methods = { subscribe: 'subscribe', unsubscribe: 'unsubscribe' };
    const notify = (result: string): void => {
      peer.send(JSON.stringify({ jsonrpc: '2.0', method: 'told', params: { subscription: 'x', result } }));
    };
    notify('before it was asked for');
    const heard: string[] = [];
    const subscribed = peer.socket.subscribe(methods, [], (value) => heard.push(String(value).slice(0, 1)));
    await until(() => peer.frames.length === 1);
    notify('!'.repeat(2 ** 21));
    for (const digit of '01234567') notify(digit.repeat(200_000));
    peer.send('{"jsonrpc":"2.0","id":1,"result":"x"}');
    await subscribed;
    notify('a');
    await until(() => heard.includes('a'));
    assert.deepEqual(heard, ['3', '4', '5', '6', '7', 'a']);
  });

  it('holds none of its answers until old garbage is collected', async () => {
    using peer = await connected();
    const { signal } = new AbortController();
    const result = '0'.repeat(2 ** 16);
    // Some are always under way.
    const asked: Promise<unknown>[] = [];
    const askInTurn = async (times: number): Promise<void> => {
      for (let n = 1; n <= times; n++) {
        const answer = peer.socket.request('x', [], { signal, reader: (text) => text });
        // The last ones end with the socket.
        answer.catch(() => undefined);
        asked.push(answer);
        if (asked.length < 8) continue;
        await until(() => peer.frames.length > 0);
        const { id } = JSON.parse(peer.frames.shift()!) as { id: number };
        peer.send(`{"jsonrpc":"2.0","id":${id},"result":"${result}"}`);
        assert.equal(((await asked.shift()) as RawText).length, result.length + 2);
        if (n % 10 === 0) collectYoungGarbage();
      }
    };
    await askInTurn(50);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    await askInTurn(300);
    collectYoungGarbage();
    collectYoungGarbage();
    const held = (process.memoryUsage().arrayBuffers - before) / result.length;
    assert.ok(held < 60, `${held} answers are held`);
  });
});
