import assert from 'node:assert/strict';
import { activateBackend, backend, type CryptoBackend } from '../../src/crypto/core.ts';
import { ready } from '../../src/crypto/index.ts';
import { portableBackend as good } from '../../src/crypto/portable-backend.ts';
import { thrown } from '../support/expect-error.ts';
import { flipped } from '../support/hostile-keys.ts';

const wrong = (bytes: Uint8Array): Uint8Array => flipped(bytes, 0);
const noBytes = new Uint8Array();

/** Each primitive broken in turn, and the ways that a wrong library or a wrong flag would break it. */
const broken: Record<string, Partial<CryptoBackend>> = {
  'gives a wrong public key': { publicKey: (secretKey) => wrong(good.publicKey(secretKey)) },
  'takes the secret key in the other layout': {
    publicKey: (secretKey) => good.publicKey(Uint8Array.of(...secretKey.slice(0, 31), 1, ...secretKey.slice(32))),
  },
  'agrees on something else': { multiply: (scalar, point) => wrong(good.multiply(scalar, point)) },
  'agrees on nothing': { multiply: () => new Uint8Array(32) },
  'takes everything as a point': { isPoint: () => true },
  'takes nothing as a point': { isPoint: () => false },
  'takes the neutral element as a point': {
    isPoint: (bytes) => good.isPoint(bytes) || bytes.every((byte) => byte === 0),
  },
  'takes a negative field element as a point': { isPoint: (bytes) => good.isPoint(bytes) || bytes[0] === 1 },
  'signs wrongly': { sign: (...input) => wrong(good.sign(...input)) },
  'signs and verifies in another context': {
    sign: (secretKey, publicKey, message) => good.sign(secretKey, publicKey, wrong(message)),
    verify: (publicKey, message, signature) => good.verify(publicKey, wrong(message), signature),
  },
  'signs without the secret key': {
    sign: (_secretKey, publicKey, message) => Uint8Array.of(...publicKey, ...message, ...new Uint8Array(29)),
    verify: () => true,
  },
  'verifies everything': { verify: () => true },
  'verifies nothing': { verify: () => false },
  'throws at a bad signature': {
    verify: (publicKey, message, signature) => {
      if (!good.verify(publicKey, message, signature)) throw new Error('bad signature');
      return true;
    },
  },
  'has another SHA-512': { sha512: (data) => wrong(good.sha512(data)) },
  'has another HMAC': { hmacSha512: (key, data) => wrong(good.hmacSha512(key, data)) },
  'has an HMAC that ignores its key': { hmacSha512: (_key, data) => good.sha512(data) },
  'does not encrypt': {
    sealAes256Gcm: (_key, _iv, _aad, plaintext) => Uint8Array.of(...plaintext, ...new Uint8Array(16)),
    openAes256Gcm: (_key, _iv, aad, sealed) => (aad.length === 3 ? sealed.slice(0, -16) : undefined),
  },
  'encrypts under another key': {
    sealAes256Gcm: (key, ...input) => good.sealAes256Gcm(wrong(key), ...input),
    openAes256Gcm: (key, ...input) => good.openAes256Gcm(wrong(key), ...input),
  },
  'ignores the IV': {
    sealAes256Gcm: (key, _iv, ...input) => good.sealAes256Gcm(key, new Uint8Array(12), ...input),
    openAes256Gcm: (key, _iv, ...input) => good.openAes256Gcm(key, new Uint8Array(12), ...input),
  },
  'ignores the additional data': {
    sealAes256Gcm: (key, iv, _aad, plaintext) => good.sealAes256Gcm(key, iv, noBytes, plaintext),
    openAes256Gcm: (key, iv, _aad, sealed) => good.openAes256Gcm(key, iv, noBytes, sealed),
  },
  'opens what was altered': {
    openAes256Gcm: (key, iv, aad, sealed) => good.openAes256Gcm(key, iv, aad, sealed) ?? sealed.slice(0, -16),
  },
  'opens nothing': { openAes256Gcm: () => undefined },
  'throws at altered data': {
    openAes256Gcm: (...input) => {
      const opened = good.openAes256Gcm(...input);
      if (opened === undefined) throw new Error('altered');
      return opened;
    },
  },
  traps: {
    publicKey: () => {
      throw new WebAssembly.RuntimeError('unreachable');
    },
  },
};

describe('crypto: the self-test refuses a backend that', () => {
  before(ready);

  for (const [how, part] of Object.entries(broken))
    it(how, () => {
      const before = backend();
      const error = thrown(() => activateBackend({ ...good, ...part, name: 'broken' }), 'self-test-failed');
      assert.equal(error.details?.['backend'], 'broken');
      assert.equal(backend(), before);
    });
});

describe('crypto: activation', () => {
  it('makes a backend the one in use, and ready() makes it the one of Node, once', async () => {
    await ready();
    const fast = backend();
    assert.match(fast.name, /^node/);
    activateBackend(good);
    assert.equal(backend(), good);
    await ready();
    assert.equal(backend(), good);
    activateBackend(fast);
  });
});
