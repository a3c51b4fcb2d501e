import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterEach, describe, it } from 'mocha';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { request } from 'undici';
import {
  decodeSignedEnvelope,
  encodeForwarded,
  encodeMessageBatch,
  signedEnvelopeToJson,
} from '../../src/codec/index.ts';
import { alice, bob, carol, Cleanup, message } from './support.ts';

/** Of an OpenAPI document, what is needed here. */
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}
interface Operation {
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema: Schema }>>;
interface Schema {
  readonly type?: string;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}
interface Sent {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly type: string | undefined;
  readonly body: Buffer | undefined;
}

const few = 3;
const types = [
  'application/vnd.khala-relay.batch',
  'application/json',
  'application/octet-stream',
  'text/plain',
  'application/JSON; charset=utf-8',
  'x',
];
const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE'];

/** Values that a schema takes. */
function valid(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valid));
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  switch (schema.type) {
    case 'string':
      return schema.pattern === undefined ? fc.string() : fc.stringMatching(new RegExp(schema.pattern));
    case 'integer':
      return fc.integer();
    case 'array':
      return fc.array(valid(schema.items ?? {}), { maxLength: Math.min(few, schema.maxItems ?? few) });
    case 'object': {
      const all = Object.entries(schema.properties ?? {});
      return fc.record(Object.fromEntries(all.map(([name, of]) => [name, valid(of)])), {
        requiredKeys: [...(schema.required ?? [])],
        noNullPrototype: true,
      });
    }
    default:
      return fc.jsonValue();
  }
}

/** Near to what it takes: one member left out, or replaced, or one more. */
function almost(of: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.tuple(of, fc.nat(8), fc.jsonValue(), fc.boolean()).map(([value, at, other, isLeftOut]) => {
    const item: unknown = Array.isArray(value) ? value[0] : value;
    if (typeof item !== 'object' || item === null) return other;
    const name = Object.keys(item)[at] ?? 'more';
    const { [name]: _, ...rest } = item as Record<string, unknown>;
    const changed = isLeftOut ? rest : { ...rest, [name]: other };
    return Array.isArray(value) ? [changed, ...(value as unknown[]).slice(1)] : changed;
  });
}

/** With another signature. */
function altered(signedEnvelope: Uint8Array): Uint8Array {
  return signedEnvelope.map((byte, at) => (at === 40 ? byte ^ 1 : byte));
}

describe('relay: its HTTP surface, as its OpenAPI document says', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const ask = async (url: string, { method, path, query, type, body }: Sent) => {
    const answer = await request(url + path + query, {
      method: method as 'GET',
      headers: type === undefined ? {} : { 'content-type': type },
      ...(body !== undefined && { body }),
    });
    const [mediaType = ''] = String(answer.headers['content-type'] ?? '').split(';');
    return { status: answer.statusCode, mediaType, text: await answer.body.text() };
  };

  const check = (document: Document, sent: Sent, answer: Awaited<ReturnType<typeof ask>>): void => {
    const { status, mediaType, text } = answer;
    const told = `${sent.method} ${sent.path}${sent.query} ${sent.type} ${sent.body?.toString('hex').slice(0, 400)}: ${status} ${mediaType} ${text}`;
    assert.ok(status < 500 || [503, 507, 508].includes(status), told);
    const operation = document.paths[sent.path]?.[sent.method.toLowerCase()];
    // HEAD and OPTIONS say nothing in a body.
    if (sent.method === 'HEAD' || (sent.method === 'OPTIONS' && status === 204)) {
      assert.equal(text, '', told);
      return;
    }
    if (operation === undefined) {
      assert.ok(status === 404 || status === 405 || status === 400, told);
      assert.equal(mediaType, 'application/problem+json', told);
      assert.equal((JSON.parse(text) as { readonly status: number }).status, status, told);
      return;
    }
    const content = (operation.responses[status] ?? operation.responses['default'])?.content;
    assert.ok(content !== undefined, `not documented: ${told}`);
    const schema = content[mediaType]?.schema;
    assert.ok(schema !== undefined, `not of a documented type: ${told}`);
    if (mediaType.endsWith('json'))
      assert.ok(Value.Check(schema as TSchema, JSON.parse(text)), `not as documented: ${told}`);
  };

  it('answers with a documented status, type and body, whatever is asked', async () => {
    const relay = await cleanup.relay({
      forwardStore: await cleanup.store(),
      workerState: { get: (id) => (id === carol.identity ? { endpoints: ['http://127.0.0.1:1'] } : undefined) },
      limits: { perAddress: { perSecond: 1e6, burst: 1e6 }, perAddressConnections: { perSecond: 1e6, burst: 1e6 } },
    });
    const document = (await (await fetch(`${relay.url}/openapi.json`)).json()) as Document;
    const seen = new Set<number>();

    const real = fc
      .constantFrom(
        message(alice, bob),
        message(alice, carol),
        message(alice, alice),
        message(alice, bob, { signer: carol }),
      )
      .chain(({ bytes }) =>
        fc.constantFrom(bytes, altered(bytes), bytes.slice(0, -1), encodeForwarded({ hops: 1, signedEnvelope: bytes })),
      );
    const realJson = fc
      .constantFrom(message(alice, bob), message(bob, alice), message(alice, bob, { signer: carol }))
      .map(({ bytes }): unknown => signedEnvelopeToJson(decodeSignedEnvelope(bytes)));
    const operations = Object.entries(document.paths).flatMap(([path, of]) =>
      Object.entries(of).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
    );
    const bodyOf = (content: Content | undefined): fc.Arbitrary<Pick<Sent, 'type' | 'body'>> => {
      const text = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
      const schema = content?.['application/json']?.schema ?? {};
      const json = fc.oneof(
        valid(schema),
        almost(valid(schema)),
        realJson,
        almost(realJson),
        fc.array(realJson, { maxLength: few }),
      );
      return fc.oneof(
        json.map((value) => ({ type: 'application/json', body: text(value) })),
        real.map((bytes) => ({ type: 'application/octet-stream', body: Buffer.from(bytes) })),
        fc
          .array(real, { maxLength: few })
          .map((all) => ({ type: 'application/vnd.khala-relay.batch', body: Buffer.from(encodeMessageBatch(all)) })),
        fc.record({
          type: fc.option(fc.constantFrom(...types), { nil: undefined }),
          body: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
        }),
      );
    };
    const nothing = fc.constant({ type: undefined, body: undefined });
    const query = fc.oneof(
      fc.constant(''),
      fc.webQueryParameters().map((text) => `?${text}`),
    );
    const documented = fc
      .constantFrom(...operations)
      .chain(({ path, method, operation }) =>
        fc
          .tuple(operation.requestBody === undefined ? nothing : bodyOf(operation.requestBody.content), query)
          .map(([body, asked]): Sent => ({ path, method, query: asked, ...body })),
      );
    const others = fc.record({
      path: fc.oneof(
        fc.constantFrom(...Object.keys(document.paths)),
        fc.webPath().map((path) => (path === '' ? '/' : path)),
      ),
      method: fc.constantFrom(...methods),
      query,
      type: fc.constant(undefined),
      body: fc.constant(undefined),
    });
    // What chance may not come to.
    const post = (body: Uint8Array): Sent => ({
      ...{ method: 'POST', path: '/v1/messages', query: '', type: 'application/octet-stream' },
      body: Buffer.from(body),
    });
    const get = (path: string): Sent => ({ ...{ method: 'GET', path, query: '' }, type: undefined, body: undefined });
    const examples = [
      ...['/v1/info', '/v1/ws', '/v1/messages', '/nothing'].map(get),
      post(new Uint8Array(1)),
      post(message(alice, bob).bytes),
      post(altered(message(alice, bob).bytes)),
      { ...post(new Uint8Array(1)), type: 'text/plain' },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ arbitrary: documented, weight: 4 }, { arbitrary: others, weight: 1 }),
        async (sent) => {
          const answer = await ask(relay.url, sent);
          seen.add(answer.status);
          check(document, sent, answer);
        },
      ),
      {
        numRuns: 300,
        examples: examples.map((sent): [Sent] => [sent]),
        interruptAfterTimeLimit: 20_000,
        markInterruptAsFailure: false,
      },
    );
    // All that there is to see was seen: it was no walk past closed doors.
    for (const status of [200, 202, 400, 401, 404, 405, 415, 426])
      assert.ok(seen.has(status), `${[...seen].join()}, no ${status}`);
    assert.equal((await fetch(`${relay.url}/healthz`)).status, 200);
  }).timeout(60_000);
});
