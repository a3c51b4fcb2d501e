import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import { asRelayError, RelayError } from '../errors/index.ts';
import { BodyBudget, type BodyLease } from './body-budget.ts';
import { frameOverhead } from './frames.ts';
import type { RelayLimits } from './limits.ts';
import { batchType } from './media-types.ts';
import { addressKey, unitsOf } from './token-buckets.ts';

// What a chunk takes beside its bytes, in memory and in work, where there are many: of one byte each they would be cheap to send and
// dear to take.
const chunkOverhead = 256;
const fewChunks = 100;
// However it is cut on its way, what an honest peer sends comes in larger pieces.
const leastMeanBytes = 64;

export interface RequestBodiesParts {
  readonly limits: RelayLimits;
  /** Charges an address for so many units beside the first, which the request was charged. Throws rate-limited. */
  readonly charge: (address: string, units: number) => void;
  /** A body was refused. */
  readonly refused: (code: string) => void;
}

/**
 * The bodies of requests: their address pays for the bytes as they arrive; what they hold of memory is bounded; nothing but
 * bytes and JSON is taken.
 */
export function addRequestBodies(server: FastifyInstance, { limits, charge, refused }: RequestBodiesParts): void {
  const budget = new BodyBudget(limits.maxPendingBytes, limits.maxBodyBytes);
  const leases = new WeakMap<IncomingMessage, BodyLease>();

  const refusal = (error: unknown): RelayError => {
    const known = asRelayError(error, 'relay-failed');
    refused(known.code);
    return known;
  };

  server.addHook('onRequest', (request, reply, done) => {
    if (request.method !== 'POST') {
      done();
      return;
    }
    const lease = budget.lease(addressKey(request.ip));
    leases.set(request.raw, lease);
    reply.raw.once('close', () => {
      lease.end();
    });
    done();
  });

  // A handler that has answered needs it no more; what its peer does not read of the answer is all that is held then.
  server.addHook('onSend', (request, _reply, payload, done) => {
    const lease = leases.get(request.raw);
    request.body = undefined;
    if (lease !== undefined) lease.shrink(Math.max(0, lease.held - sizeOf(payload)));
    done(null, payload);
  });

  const read = async <T>({ ip, raw, headers }: FastifyRequest, maxBytes: number, parse: (body: Buffer) => T) => {
    let [length, cost] = [0, 0];
    let chunks = 0;
    const arrived = (bytes: number): void => {
      chunks += 1;
      length += bytes;
      if (chunks > fewChunks && length < chunks * leastMeanBytes)
        throw new RelayError('bad-request', { details: { reason: 'its body comes in too many pieces' } });
      const counted = bytes + (chunks > fewChunks ? chunkOverhead : 0);
      leases.get(raw)?.grow(counted);
      const paid = unitsOf(cost);
      cost += counted;
      const units = unitsOf(cost) - paid;
      if (units > 0) charge(ip, units);
    };
    const announced = Number(headers['content-length'] ?? 0);
    try {
      return parse(await collect(raw, { announced, maxBytes, arrived, lease: leases.get(raw) }));
    } catch (error) {
      throw refusal(error);
    }
  };

  server.removeAllContentTypeParsers();
  // `Forwarded` is an envelope and a little more.
  const maxBytes = limits.maxMessageBytes + frameOverhead;
  server.addContentTypeParser('application/octet-stream', (request: FastifyRequest) =>
    read(request, maxBytes, (body) => body),
  );
  server.addContentTypeParser(batchType, (request: FastifyRequest) =>
    read(request, limits.maxBodyBytes, (body) => body),
  );
  server.addContentTypeParser('application/json', (request: FastifyRequest) =>
    read(request, limits.maxBodyBytes, parseJson),
  );
}

/** Of an answer as it goes out; a stream holds what it reads ahead, which is little. */
function sizeOf(answer: unknown): number {
  if (typeof answer === 'string') return Buffer.byteLength(answer);
  return answer instanceof Uint8Array ? answer.length : 0;
}

interface Collecting {
  readonly announced: number;
  readonly maxBytes: number;
  readonly arrived: (bytes: number) => void;
  readonly lease: BodyLease | undefined;
}

/**
 * Throws envelope-too-large, relay-busy where it makes room for others, and what `arrived` throws. What comes after a failure is left
 * unread: fastify closes the connection.
 */
function collect(body: IncomingMessage, { announced, maxBytes, arrived, lease }: Collecting): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (finish: () => void): void => {
      body.off('data', take).off('end', end).off('error', fail).off('close', cut);
      if (lease !== undefined) lease.onEvicted = undefined;
      finish();
    };
    const fail = (error: unknown): void => {
      settle(() => {
        reject(asRelayError(error, 'relay-failed'));
      });
    };
    const cut = (): void => {
      fail(new RelayError('bad-request', { details: { reason: 'its body is cut off' } }));
    };
    const tooLarge = (size: number): RelayError =>
      new RelayError('envelope-too-large', { details: { size, max: maxBytes } });
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      try {
        if (length > maxBytes) throw tooLarge(length);
        arrived(chunk.length);
      } catch (error) {
        fail(error);
        return;
      }
      chunks.push(chunk);
    };
    const end = (): void => {
      settle(() => {
        resolve(Buffer.concat(chunks, length));
      });
    };
    if (announced > maxBytes) {
      reject(tooLarge(announced));
      return;
    }
    if (lease !== undefined)
      lease.onEvicted = () => {
        chunks.length = 0;
        fail(
          new RelayError('relay-busy', {
            details: { what: 'the bytes of requests in flight that one address may hold' },
          }),
        );
      };
    body.on('data', take).on('end', end).on('error', fail).on('close', cut);
  });
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw new RelayError('bad-request', { details: { reason: 'it is not JSON' } });
  }
}
