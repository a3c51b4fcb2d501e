import assert from 'node:assert/strict';
import { ConnectionPool } from '../../src/relay/connection-pool.ts';
import type { Transport } from '../../src/relay/transport.ts';

const genesisHash = `0x${'11'.repeat(32)}` as const;

/** Counts sockets, over which nothing comes. */
class CountingTransport implements Transport {
  open = 0;

  connect(): ReturnType<Transport['connect']> {
    this.open += 1;
    let isOpen = true;
    const close = (): void => {
      if (isOpen) this.open -= 1;
      isOpen = false;
    };
    return { send: () => undefined, close };
  }

  post(): Promise<never> {
    return Promise.reject(new Error('not asked for'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

describe('relay: connections of a client', () => {
  it('are no more than maxConnections, however many are opened at once, where the others are unused', () => {
    const transport = new CountingTransport();
    const pool = new ConnectionPool({ genesisHash, transport, timeoutMs: 1_000, idleMs: 60_000, maxConnections: 3 });
    const first = pool.get('http://relay.example');
    const release = pool.hold(first);
    for (let n = 0; n < 10; n++) pool.get(`http://relay-${n}.example`);
    assert.equal(transport.open, 3);
    assert.ok(first.isOpen);
    release();
    pool.close();
  });
});
