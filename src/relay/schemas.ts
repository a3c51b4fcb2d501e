const integer = { type: 'integer' } as const;
const string = { type: 'string' } as const;
const text = (description: string) => ({ ...string, description }) as const;
const hex = (bytes: number, description: string) =>
  ({ ...string, pattern: `^0x[0-9a-fA-F]{${2 * bytes}}$`, description }) as const;

/** Members that are not in `optional` must be there. */
function object<Properties extends object>(
  properties: Properties,
  optional: readonly (keyof Properties & string)[] = [],
) {
  const required = Object.keys(properties).filter((name) => !optional.some((other) => other === name));
  return { type: 'object', required, properties } as const;
}

/** SignedEnvelope as JSON (protocol.md §8), of a message of so many bytes at most. */
export const messageSchema = (maxMessageBytes: number) =>
  ({
    ...object({
      from: hex(32, "Sender's IdentityKey"),
      to: hex(32, "Recipient's IdentityKey"),
      nonce: { ...string, pattern: '^(0|[1-9][0-9]{0,19})$', description: 'u64, decimal' },
      payload: {
        ...string,
        pattern: '^0x([0-9a-fA-F]{2})+$',
        maxLength: 2 + 2 * maxMessageBytes,
        description: 'SCALE of the envelope',
      },
      sig: hex(64, 'sr25519 signature by `from`'),
    }),
    additionalProperties: false,
    description: 'A signed envelope; its fields repeat the header and must agree with it',
  }) as const;

export const receiptSchema = object({
  messageId: hex(32, 'blake2_256(genesisHash ‖ envelope)'),
  status: { enum: ['stored', 'delivered', 'duplicate', 'forwarded'] },
});

export const problemSchema = {
  ...object(
    {
      type: text('urn:khala-relay:error:CODE'),
      title: text('The code'),
      status: integer,
      detail: text('What happened'),
      code: text('Stable, of docs/errors.md'),
      remedy: text('What to do about it'),
      details: {
        type: 'object',
        additionalProperties: { anyOf: [string, { type: 'number' }, { type: 'boolean' }] },
        description: 'Facts about this failure',
      },
    },
    ['details'],
  ),
  description: 'RFC 9457',
};

export const batchResultSchema = object({
  results: {
    type: 'array',
    items: { anyOf: [receiptSchema, problemSchema] },
    description: 'One for each message, in order',
  },
});

export const infoSchema = object(
  {
    protocol: { ...integer, description: 'Version of the protocol' },
    genesisHash: hex(32, 'Of the chain'),
    identity: hex(32, "The relay's own entity"),
    publicUrls: { type: 'array', items: string },
    limits: object({
      maxMessageBytes: integer,
      maxBatch: integer,
      maxBodyBytes: integer,
      window: integer,
      maxSkewMs: integer,
    }),
  },
  ['identity'],
);

export const healthSchema = object(
  {
    status: string,
    reason: string,
    workerStateAgeMs: { ...integer, minimum: 0, description: 'How long ago WorkerState was last seen, of /readyz' },
  },
  ['reason', 'workerStateAgeMs'],
);
