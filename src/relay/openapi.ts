import type { RelayLimits } from './limits.ts';
import { batchType } from './media-types.ts';
import { problemType } from './problem.ts';
import { batchResultSchema, healthSchema, infoSchema, messageSchema, problemSchema, receiptSchema } from './schemas.ts';

type OpenApiLimits = Pick<RelayLimits, 'maxBatch' | 'maxBodyBytes' | 'maxMessageBytes'>;

/** What not every relay has. */
interface OptionalRoutes {
  readonly hasTunnels: boolean;
  readonly hasMetrics: boolean;
}

/** OpenAPI 3.1 of all that the relay offers over HTTP; what goes over its WebSockets is in docs/relay.md. */
export function openApiDocument(limits: OpenApiLimits, { hasTunnels, hasMetrics }: OptionalRoutes) {
  const { maxBatch, maxBodyBytes, maxMessageBytes } = limits;
  const message = messageSchema(maxMessageBytes);
  const batch = {
    schema: {
      type: 'string',
      format: 'binary',
      maxLength: maxBodyBytes,
      description: 'SCALE of Vec<Bytes>, each a message',
    },
  };
  const octets = { schema: { type: 'string', format: 'binary', maxLength: maxMessageBytes } };
  return {
    openapi: '3.1.0',
    info: { title: 'khala-relay', version: '1', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths: {
      '/v1/messages': {
        post: {
          summary: 'Takes one signed envelope or a batch; answers when it is durable; idempotent',
          requestBody: {
            required: true,
            content: {
              'application/octet-stream': octets,
              [batchType]: batch,
              'application/json': {
                schema: {
                  anyOf: [message, { type: 'array', items: { anyOf: [message, anything] }, maxItems: maxBatch }],
                },
              },
            },
          },
          responses: {
            200: json('Delivered or a duplicate; or the results of a batch', {
              anyOf: [receiptSchema, batchResultSchema],
            }),
            202: json('Stored or queued for another relay', receiptSchema),
            ...problems,
          },
        },
      },
      '/v1/forward': {
        post: {
          summary: 'Takes one Forwarded { hops: u8, signedEnvelope: Bytes } from another relay',
          requestBody: { required: true, content: { 'application/octet-stream': octets } },
          responses: {
            200: json('Delivered or a duplicate', receiptSchema),
            202: json('Stored or queued for another relay', receiptSchema),
            ...problems,
          },
        },
      },
      '/v1/info': {
        get: { summary: 'About this relay', responses: { 200: json('Info', infoSchema), default: problem('Refused') } },
      },
      '/healthz': {
        get: { summary: 'Lives', responses: { 200: json('Yes', healthSchema), default: problem('Refused') } },
      },
      '/readyz': {
        get: {
          summary: 'Takes messages',
          responses: {
            200: json('Yes', healthSchema),
            503: json('No', healthSchema),
            default: problem('Refused'),
          },
        },
      },
      '/v1/ws': {
        get: {
          summary: 'A WebSocket for senders and recipients; docs/relay.md has its frames',
          responses: webSocket,
        },
      },
      ...(hasTunnels && { '/v1/tunnel': { get: tunnel } }),
      ...(hasMetrics && { '/metrics': { get: metrics } }),
      '/openapi.json': {
        get: {
          summary: 'This document',
          responses: { 200: json('OpenAPI 3.1', { type: 'object' }), default: problem('Refused') },
        },
      },
    },
  };
}

const anything = { description: 'Something else: it is answered with a problem, and the others are taken' };

const json = (description: string, schema: unknown) => ({ description, content: { 'application/json': { schema } } });

const problem = (description: string) => ({
  description,
  content: { [problemType]: { schema: problemSchema } },
});

const problems = {
  400: problem('The bytes are not what they should be'),
  401: problem('The signature is not valid'),
  403: problem('The sender is not welcome'),
  404: problem('The recipient is not served here'),
  410: problem('The key that it is sealed to was erased; details.record has the current one'),
  413: problem('Too large'),
  415: problem('Neither bytes nor JSON'),
  422: problem('The message can not be taken, now or later'),
  429: problem('Too many; Retry-After tells when'),
  503: problem('Busy or stopping; try again'),
  507: problem('The mailbox is full'),
  508: problem('It went through too many relays, or in a circle'),
  default: problem('Refused'),
};

const webSocket = {
  101: { description: 'The WebSocket' },
  426: problem('Asked without an upgrade'),
  429: problem('Too many; Retry-After tells when'),
  default: problem('Refused'),
};

const parameter = (name: string, description: string) => ({
  ...{ name, description, in: 'query', required: true },
  schema: { type: 'string' },
});

const tunnel = {
  summary: 'A WebSocket joined to /v1/ws of another relay; docs/relay.md has what passes',
  parameters: [
    parameter('recipient', 'An IdentityKey, 0x and 64 hex digits'),
    parameter('endpoint', 'One of the URLs that the chain has for it'),
  ],
  responses: webSocket,
};

const metrics = {
  summary: 'Prometheus text exposition',
  responses: {
    200: { description: 'Samples', content: { 'text/plain': { schema: { type: 'string' } } } },
    default: problem('Refused'),
  },
};
