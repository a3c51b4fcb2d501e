import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { RpcSocket } from '../../src/chain/rpc/rpc-socket.ts';
import { until } from '../support/until.ts';

describe('RpcSocket', () => {
  it('has a bounded number of frames on the way, batches too, and sends the rest in turn', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const frames: string[] = [];
    let answer: (frame: string) => void = () => undefined;
    server.on('connection', (socket) => {
      socket.on('message', (data: Buffer) => frames.push(data.toString()));
      answer = (frame) => {
        const requests = [JSON.parse(frame) as { id: number }].flat();
        const answers = requests.map(({ id }) => ({ jsonrpc: '2.0', id, result: id }));
        socket.send(JSON.stringify(frame.startsWith('[') ? answers : answers[0]));
      };
    });
    const signal = new AbortController().signal;
    const socket = await RpcSocket.open(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      timeoutMs: 10_000,
      signal,
    });
    const calls = [['one', []] as const, ['two', []] as const];
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
    socket.close();
    server.close();
  });
});
