/** Asks for a WebSocket. */
export const upgrade = [
  ...['GET /v1/ws HTTP/1.1', 'host: x', 'upgrade: websocket', 'connection: upgrade', 'sec-websocket-version: 13'],
  ...[`sec-websocket-key: ${'A'.repeat(22)}==`, '\r\n'],
].join('\r\n');

/** A frame of a client with a mask of zeros (RFC 6455 §5.2), or the beginning of one. */
export function wire(payload: Uint8Array, { opcode = 0x82, announced = payload.length } = {}): Buffer {
  const head =
    announced < 126
      ? Buffer.of(opcode, 0x80 | announced, 0, 0, 0, 0)
      : Buffer.concat([
          announced < 65_536 ? Buffer.of(opcode, 0xfe) : Buffer.of(opcode, 0xff, 0, 0, 0, 0),
          ...[announced < 65_536 ? uint16(announced) : uint32(announced), Buffer.alloc(4)],
        ]);
  return Buffer.concat([head, payload]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
