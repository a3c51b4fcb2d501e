import Type from 'typebox';

const hex = (bytes: number, description: string) =>
  Type.String({ pattern: `^0x[0-9a-fA-F]{${2 * bytes}}$`, description });

/** SignedEnvelope as JSON (protocol.md §8), of a message of so many bytes at most. */
export const messageSchema = (maxMessageBytes: number) =>
  Type.Object(
    {
      from: hex(32, "Sender's IdentityKey"),
      to: hex(32, "Recipient's IdentityKey"),
      nonce: Type.String({ pattern: '^(0|[1-9][0-9]{0,19})$', description: 'u64, decimal' }),
      payload: Type.String({
        pattern: '^0x([0-9a-fA-F]{2})+$',
        maxLength: 2 + 2 * maxMessageBytes,
        description: 'SCALE of the envelope',
      }),
      sig: hex(64, 'sr25519 signature by `from`'),
    },
    {
      additionalProperties: false,
      description: 'A signed envelope; its fields repeat the header and must agree with it',
    },
  );

export const receiptSchema = Type.Object({
  messageId: hex(32, 'blake2_256(genesisHash ‖ envelope)'),
  status: Type.Enum(['stored', 'delivered', 'duplicate', 'forwarded']),
});

export const problemSchema = Type.Object(
  {
    type: Type.String({ description: 'urn:khala-relay:error:CODE' }),
    title: Type.String({ description: 'The code' }),
    status: Type.Integer(),
    detail: Type.String({ description: 'What happened' }),
    code: Type.String({ description: 'Stable, of docs/errors.md' }),
    remedy: Type.String({ description: 'What to do about it' }),
    details: Type.Optional(
      Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]), {
        description: 'Facts about this failure',
      }),
    ),
  },
  { description: 'RFC 9457' },
);

export const batchResultSchema = Type.Object({
  results: Type.Array(Type.Union([receiptSchema, problemSchema]), { description: 'One for each message, in order' }),
});

export const infoSchema = Type.Object({
  protocol: Type.Integer({ description: 'Version of the protocol' }),
  genesisHash: hex(32, 'Of the chain'),
  identity: Type.Optional(hex(32, "The relay's own entity")),
  publicUrls: Type.Array(Type.String()),
  limits: Type.Object({
    maxMessageBytes: Type.Integer(),
    maxBatch: Type.Integer(),
    maxBodyBytes: Type.Integer(),
    window: Type.Integer(),
    maxSkewMs: Type.Integer(),
  }),
});

export const healthSchema = Type.Object({
  status: Type.String(),
  reason: Type.Optional(Type.String()),
  workerStateAgeMs: Type.Optional(
    Type.Integer({ minimum: 0, description: 'How long ago WorkerState was last seen, of /readyz' }),
  ),
});
