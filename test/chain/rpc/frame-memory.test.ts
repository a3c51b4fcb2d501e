import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { WebSocketServer, type WebSocket } from 'ws';
import { FrameMemory, frameMemory, giveBackFrames } from '../../../src/chain/rpc/frame-memory.ts';
import type { RawText } from '../../../src/chain/rpc/raw-text.ts';
import { RpcSocket } from '../../../src/chain/rpc/rpc-socket.ts';

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;
/** What one call is answered with: frames of some of them come in several reads. */
const answerLength = 50 * kibibyte;

describe('memory for frames', () => {
  it('has the length that is asked for, and is used again once it is given back, by a view too', () => {
    const memory = new FrameMemory();
    for (const length of [8 * kibibyte, 16 * kibibyte - 1, 16 * kibibyte, 100_000, mebibyte, mebibyte + 1]) {
      const frame = memory.take(length);
      assert.equal(frame.length, length);
      memory.giveBack(frame.subarray(1, 2));
      assert.equal(memory.take(length).buffer === frame.buffer, length >= 16 * kibibyte && length <= mebibyte);
    }
  });

  it('is used again for a shorter frame, but for none of half of its length', () => {
    const memory = new FrameMemory();
    const frame = memory.take(100_000);
    memory.giveBack(frame);
    assert.notEqual(memory.take(50_000).buffer, frame.buffer);
    assert.notEqual(memory.take(100_001).buffer, frame.buffer);
    const shorter = memory.take(50_001);
    assert.deepEqual([shorter.buffer === frame.buffer, shorter.length], [true, 50_001]);
  });

  it('is kept up to 4 MiB, the oldest not', () => {
    const memory = new FrameMemory();
    const frames = Array.from({ length: 6 }, () => memory.take(mebibyte));
    for (const frame of frames) memory.giveBack(frame);
    const again = Array.from({ length: 6 }, () => memory.take(mebibyte).buffer);
    assert.deepEqual(
      frames.map(({ buffer }) => again.includes(buffer)),
      [false, false, true, true, true, true],
    );
  });

  it('is never that of two frames that are out, whatever is given back, and how often', () => {
    const step = fc.oneof(
      fc.record({ take: fc.integer({ min: 10_000, max: 1_200_000 }) }),
      fc.record({ giveBack: fc.nat(20) }),
      fc.record({ neverReuse: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new FrameMemory();
        const all: Buffer[] = [];
        const out = new Set<Buffer>();
        const kept = new Set<Buffer>();
        for (const each of steps)
          if ('take' in each) {
            const frame = memory.take(each.take);
            for (const other of [...out, ...kept]) assert.notEqual(frame.buffer, other.buffer);
            all.push(frame);
            out.add(frame);
          } else {
            const frame = all['neverReuse' in each ? each.neverReuse : each.giveBack];
            // A frame that went back is its reader's no more, though its memory may be another's by now.
            if (frame === undefined || !out.has(frame)) continue;
            if ('neverReuse' in each) {
              memory.neverReuse(frame);
              kept.add(frame);
            } else if (!kept.has(frame)) out.delete(frame);
            memory.giveBack(frame);
            memory.giveBack(frame);
          }
      }),
    );
  });
});

describe('frames of a node', () => {
  let server: WebSocketServer;
  let socket: RpcSocket;
  let node: WebSocket;

  beforeEach(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const connected = once(server, 'connection');
    const { port } = server.address() as AddressInfo;
    const { signal } = new AbortController();
    socket = await RpcSocket.open(`ws://127.0.0.1:${port}`, { timeoutMs: 10_000, signal });
    [node] = (await connected) as [WebSocket];
  });
  afterEach(async () => {
    socket.close();
    for (const client of server.clients) client.terminate();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Two batches of two calls, and the ids of each. */
  async function askTwice(): Promise<{ answers: Promise<unknown[]>[]; ids: number[][] }> {
    const ids: number[][] = [];
    const bothCame = new Promise<void>((resolve) => {
      node.on('message', (data: Buffer) => {
        ids.push((JSON.parse(String(data)) as { id: number }[]).map(({ id }) => id));
        if (ids.length === 2) resolve();
      });
    });
    const calls = [1, 2].map((param) => ({ method: 'read', params: [param] }));
    const answers = [1, 2].map(() => socket.requestAll(calls, { reader: (text) => text }));
    await bothCame;
    return { answers, ids };
  }

  function answer(ids: readonly number[], digit: string): void {
    const texts = ids.map((id) => `{"jsonrpc":"2.0","id":${id},"result":"${digit.repeat(answerLength)}"}`);
    node.send(`[${texts.join(',')}]`);
  }

  const give = (texts: readonly unknown[]): void => {
    giveBackFrames(texts.map((result) => ({ result })));
  };

  it('are used again when what came in them is given back', async () => {
    const { answers, ids } = await askTwice();
    answer(ids[0] ?? [], 'a');
    const first = (await answers[0]) as RawText[];
    const { buffer } = first[0]?.frame ?? {};
    give(first);
    answer(ids[1] ?? [], 'b');
    const second = (await answers[1]) as RawText[];
    assert.equal(second[0]?.frame.buffer, buffer);
    assert.deepEqual(second.map(String), Array(2).fill(`"${'b'.repeat(answerLength)}"`));
  });

  it('are not where they answer two who asked: one of them may be done before the other', async () => {
    const { answers, ids } = await askTwice();
    answer(ids.flat(), 'a');
    const [first, second] = (await Promise.all(answers)) as [RawText[], RawText[]];
    give(first);
    const { buffer, length } = second[0]?.frame ?? new Uint8Array(0);
    assert.equal(first[0]?.frame.buffer, buffer);
    // As any later frame of that length would.
    for (let i = 0; i < 100; i++) assert.notEqual(frameMemory.take(length).buffer, buffer);
    assert.deepEqual(second.map(String), Array(2).fill(`"${'a'.repeat(answerLength)}"`));
  });
});
