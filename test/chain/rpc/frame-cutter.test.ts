import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { FrameCutter } from '../../../src/chain/rpc/frame-cutter.ts';

const httpHead = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');
const longest = 4 * 1024 * 1024;

/** A frame of a server (RFC 6455, section 5.2). */
function frame(payload: Uint8Array, { first = 0x81, mask = 0 } = {}): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = mask | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, Buffer.alloc(mask === 0 ? 0 : 4, 7), payload]);
}

function filled(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i % 251));
}

/** What becomes of `reads`, the first of which begins with the head of the HTTP answer. */
function cut(reads: readonly Uint8Array[]): Buffer[] {
  const pieces: Buffer[] = [];
  const cutter = new FrameCutter((piece) => {
    pieces.push(piece);
    if (Buffer.concat(pieces).equals(httpHead)) cutter.upgraded();
    return true;
  });
  for (const read of reads) {
    cutter.take(read);
    // The memory of what was read is used again.
    read.fill(0xee);
  }
  return pieces;
}

/** Copies, in parts that end at these places. */
function parts(bytes: Uint8Array, ends: readonly number[]): Uint8Array[] {
  const all = [...ends, bytes.length];
  return all.map((end, i) => Uint8Array.from(bytes.subarray(all[i - 1] ?? 0, end)));
}

describe('FrameCutter', () => {
  const short = [frame(filled(0)), frame(filled(5)), frame(filled(3), { first: 0x89 }), frame(filled(125))];

  it('gives frames whole that come in two reads, wherever they are cut', () => {
    for (const each of [
      frame(filled(60)),
      frame(filled(300)),
      frame(filled(70_000)),
      frame(filled(9), { first: 0x8a }),
    ])
      for (let at = 1; at < Math.min(each.length, 400); at++) {
        const [head, ...pieces] = cut([Uint8Array.from(httpHead), ...parts(each, [at])]);
        assert.deepEqual(head, httpHead);
        assert.deepEqual(pieces, [each], `cut at ${at}`);
      }
  });

  it('gives frames whole that come byte by byte, head of the answer and all', () => {
    const frames = [...short, frame(filled(400)), frame(filled(66_000)), frame(filled(1))];
    const bytes = Buffer.concat([httpHead, ...frames]);
    const pieces: Buffer[] = [];
    let length = 0;
    const cutter = new FrameCutter((piece) => {
      pieces.push(piece);
      length += piece.length;
      if (length === httpHead.length) cutter.upgraded();
      return true;
    });
    // The memory of what was read is used again, of a Buffer here.
    const read = Buffer.alloc(1);
    for (const byte of bytes) {
      read[0] = byte;
      cutter.take(read);
    }
    assert.deepEqual(Buffer.concat(pieces.slice(0, httpHead.length)), httpHead);
    assert.deepEqual(pieces.slice(httpHead.length), frames);
  });

  it('gives short frames of one read together, and what is begun behind them by itself', () => {
    const long = frame(filled(5_000));
    const read = Buffer.concat([...short, long.subarray(0, 100)]);
    const rest = Buffer.concat([long.subarray(100), ...short]);
    assert.deepEqual(cut([Uint8Array.from(httpHead), read, rest]).slice(1), [
      Buffer.concat(short),
      long,
      Buffer.concat(short),
    ]);
  });

  it('gives what follows the head of the answer in the same read', () => {
    assert.deepEqual(cut([Buffer.concat([httpHead, ...short])]), [httpHead, Buffer.concat(short)]);
  });

  it('gives everything as it comes where no frames were announced, or not where a head ends', () => {
    const other = Buffer.from('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n\x81\x7fbody');
    const pieces: Buffer[] = [];
    const cutter = new FrameCutter((piece) => {
      pieces.push(piece);
      return true;
    });
    cutter.take(Uint8Array.from(other));
    cutter.upgraded();
    cutter.take(Uint8Array.from(other));
    assert.deepEqual(Buffer.concat(pieces), Buffer.concat([other, other]));
  });

  it('finds the frames behind the second of two heads, and where a blank line begins in what was none', () => {
    const hints = Buffer.from('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\r\n\r\n');
    const long = frame(filled(300));
    const pieces: Buffer[] = [];
    const cutter = new FrameCutter((piece) => {
      pieces.push(piece);
      if (piece.equals(httpHead)) cutter.upgraded();
      return true;
    });
    for (const read of parts(Buffer.concat([hints, httpHead, long]), [hints.length + httpHead.length + 50]))
      cutter.take(read);
    assert.deepEqual(pieces, [hints, httpHead, long]);
  });

  it('gives what is longer than it holds as it comes, and makes no room for what a head claims', () => {
    const long = frame(filled(longest + 1));
    const pieces = cut([Uint8Array.from(httpHead), ...parts(Buffer.concat([long, ...short]), [10, 5_000])]);
    assert.deepEqual(
      pieces.slice(1).map(({ length }) => length),
      [10, 4_990, long.length - 5_000, Buffer.concat(short).length],
    );
    assert.deepEqual(Buffer.concat(pieces.slice(1)), Buffer.concat([long, ...short]));
    // 2^64 - 1.
    const claimed = Buffer.concat([Buffer.of(0x81, 127), Buffer.alloc(8, 0xff), filled(20)]);
    assert.deepEqual(cut([Uint8Array.from(httpHead), Uint8Array.from(claimed), filled(7)]).slice(1), [
      claimed,
      filled(7),
    ]);
  });

  it('says whether the last piece was one too many', () => {
    let takesMore = true;
    const cutter = new FrameCutter(() => takesMore);
    assert.equal(cutter.take(Uint8Array.from(httpHead)), true);
    takesMore = false;
    assert.equal(cutter.take(Uint8Array.from(httpHead)), false);
    assert.equal(cutter.take(new Uint8Array(0)), true);
    cutter.upgraded();
    const [begun, rest] = parts(frame(filled(300)), [200]);
    assert.equal(cutter.take(begun!), true);
    assert.equal(cutter.take(rest!), false);
  });

  it('does not wait for the rest of what no server may send', () => {
    const wrong = [
      ...[0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f, 0x09].map((first) => frame(filled(300), { first })),
      ...[0x81, 0x89].map((first) => frame(filled(9), { first, mask: 0x80 })),
      ...[0x08, 0x09, 0x0a].map((first) => frame(filled(9), { first })),
      ...[0x88, 0x89, 0x8a].map((first) => frame(filled(126), { first })),
    ];
    for (const each of wrong) {
      const before = Buffer.concat(short);
      const behind = Buffer.concat([each, ...short]);
      const [begun, ...others] = parts(behind, [2, 7]);
      const reads = [Uint8Array.from(httpHead), Buffer.concat([before, begun!]), ...others.map((part) => part.slice())];
      const wanted = [before, begun!, ...others].map((part) => Buffer.from(part));
      assert.deepEqual(cut(reads).slice(1), wanted, each.subarray(0, 4).toString('hex'));
    }
  });

  describe('leaves nothing out and alters nothing', () => {
    const lengths = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 65_500, max: 65_600 }));
    const steps = fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 20 });
    const ends = (lengths: readonly number[]): number[] => {
      let end = 0;
      return lengths.map((length) => (end += length));
    };
    /** The pieces, which are all that came. */
    const piecesOf = (frames: readonly Buffer[], by: readonly number[]): Buffer[] => {
      const bytes = Buffer.concat(frames);
      const cuts = ends(by).map((end) => Math.min(bytes.length, end));
      const pieces = cut([Uint8Array.from(httpHead), ...parts(bytes, cuts)]).slice(1);
      assert.deepEqual(Buffer.concat(pieces), bytes);
      return pieces;
    };

    it('whatever frames come', () => {
      const first = fc.integer({ min: 0, max: 255 });
      const shapes = fc.record({ length: lengths, first, mask: fc.constantFrom(0, 0x80) });
      fc.assert(
        fc.property(fc.array(shapes, { maxLength: 12 }), steps, (wanted, by) => {
          piecesOf(
            wanted.map(({ length, ...of }) => frame(filled(length), of)),
            by,
          );
        }),
      );
    });

    it('each frame that a server may send in one piece', () => {
      const shapes = fc.oneof(
        fc.record({ length: lengths, first: fc.constantFrom(0x00, 0x01, 0x02, 0x80, 0x81, 0x82) }),
        fc.record({ length: fc.integer({ min: 0, max: 125 }), first: fc.constantFrom(0x88, 0x89, 0x8a) }),
      );
      fc.assert(
        fc.property(fc.array(shapes, { maxLength: 12 }), steps, (wanted, by) => {
          const frames = wanted.map(({ length, first }) => frame(filled(length), { first }));
          const frameEnds = ends(frames.map(({ length }) => length));
          for (const each of ends(piecesOf(frames, by).map(({ length }) => length)))
            assert.ok(frameEnds.includes(each), `a piece ends at ${each}`);
        }),
      );
    });
  });
});
