import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Keyring } from '@polkadot/keyring';
import type { Hex } from '../../src/codec/index.ts';
import { decodeHeader, encodeHeader, zeroHash } from '../../src/dev-chain/block/header.ts';
import { inherents } from '../../src/dev-chain/block/inherents.ts';
import { codeKey, loadChainSpec } from '../../src/dev-chain/chain-spec.ts';
import { Executor } from '../../src/dev-chain/executor/executor.ts';
import { Interpreter } from '../../src/dev-chain/executor/interpreter.ts';
import { nativeRuntime } from '../../src/dev-chain/executor/native/compile.ts';
import type { NativeRuntime } from '../../src/dev-chain/executor/native/native-runtime.ts';
import { NeedsInterpreter } from '../../src/dev-chain/executor/native/trap.ts';
import type { RuntimeCall } from '../../src/dev-chain/executor/protocol.ts';
import { Runtimes } from '../../src/dev-chain/executor/runtime.ts';
import { loadHashing } from '../../src/dev-chain/hashing.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { decodeApplied, decodeValidity } from '../../src/dev-chain/pool/validity.ts';
import { ChainState } from '../../src/dev-chain/state/chain-state.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { smallRuntime, wasm } from './small-runtime.ts';
import { connect, type TestApi } from './support.ts';

const timestamp = 1_700_000_000_000;
const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);
const apply = (extrinsic: Hex): RuntimeCall => ['BlockBuilder_apply_extrinsic', [extrinsic]];

describe('dev-chain: the runtime as code of the machine', () => {
  let chain: DevChain;
  let client: TestApi;
  let state: ChainState;
  let code: Hex;
  let native: NativeRuntime;
  /** Initialization and inherents of block 1. */
  let start: readonly RuntimeCall[];
  const interpreter = new Interpreter();
  const executor = new Executor();

  before(async () => {
    chain = await startDevChain();
    client = await connect(chain.ws);
    const { top } = await loadChainSpec();
    state = ChainState.from(top, await loadHashing());
    code = state.get(codeKey) ?? assert.fail('the spec has a runtime');
    native = (await nativeRuntime(code)) ?? assert.fail('it is plain WASM');
    const header = {
      parentHash: chain.genesisHash,
      number: 1,
      stateRoot: zeroHash,
      extrinsicsRoot: zeroHash,
      logs: [],
    };
    const first = inherents(await new Runtimes(executor).of(state), timestamp);
    start = [['Core_initialize_block', [encodeHeader(header)]], ...first.map(apply)];
  });

  after(async () => {
    await client[Symbol.asyncDispose]();
    await Promise.all([chain.stop(), interpreter.stop(), executor.stop()]);
  });

  /** Runs it both ways; the results and the states that come of it must be the same. */
  async function both(calls: readonly RuntimeCall[]): Promise<void> {
    const [ours, theirs] = [native.run(calls, state), await interpreter.run(code, calls, state)];
    assert.equal(ours.result, theirs.result);
    assert.equal(state.rootWith(ours.storageDiff, 1), state.rootWith(theirs.storageDiff, 1));
  }

  /** A whole block, both ways. The interpreter's header is not told the root of the state; ours must be. */
  async function bothBuild(extrinsics: readonly Hex[], on = state): Promise<ChainState> {
    const calls = [...start, ...extrinsics.map(apply), ['BlockBuilder_finalize_block', []] as const];
    const [ours, theirs] = [native.run(calls, on), await interpreter.run(code, calls, on)];
    const stateRoot = on.rootWith(ours.storageDiff, 1);
    assert.deepEqual(decodeHeader(ours.result), { ...decodeHeader(theirs.result), stateRoot });
    assert.equal(stateRoot, on.rootWith(theirs.storageDiff, 1));
    return on.with(ours.storageDiff);
  }

  const validityOf = (extrinsic: Hex): RuntimeCall => [
    'TaggedTransactionQueue_validate_transaction',
    [`0x02${extrinsic.slice(2)}${chain.genesisHash.slice(2)}`],
  ];

  it('says of itself what it says when it is interpreted', async () => {
    assert.deepEqual(await executor.version(code), await interpreter.version(code));
    await both([['Metadata_metadata', []]]);
    await both([['Metadata_metadata_versions', []]]);
    await both([['GenesisBuilder_get_preset', ['0x00']]]);
  });

  it('makes the same blocks: transfers, messages, batches that fail in the middle, and what is not signed well', async () => {
    const { transfer, pushMessage, batch, sign } = client;
    const tooMuch = transfer(2n ** 100n);
    const [good, last] = [await sign(transfer(10n ** 12n), 0), await sign(pushMessage('0x61', '0x6263'), 2)];
    const failing = await sign(batch([transfer(1n), pushMessage('0x61', '0x62'), tooMuch]), 1);
    await bothBuild([good, failing, last]);
    // A byte of the signature, behind the length, the version, the account and the kind of signature.
    const at = 2 + 2 * 60;
    const forged: Hex = `0x${good.slice(2, at)}${good.slice(at, at + 2) === '00' ? '01' : '00'}${good.slice(at + 2)}`;
    for (const extrinsic of [good, last, forged]) {
      await both([...start, apply(extrinsic)]);
      await both([validityOf(extrinsic)]);
    }
    assert.equal(decodeApplied(native.run([...start, apply(good)], state).result), undefined);
    assert.notEqual(decodeApplied(native.run([...start, apply(last)], state).result), undefined);
  });

  it('makes the same of a batch as large as blocks take', async () => {
    const messages = Array.from({ length: 200 }, (_, index) =>
      client.pushMessage('0x61', `0x${index.toString(16).padStart(600, '0')}`),
    );
    await bothBuild([await client.sign(client.batch(messages), 0)]);
  });

  it('makes the same of storage that root writes and removes by prefix, and of code that it puts into place', async () => {
    const { sudo, system } = client.api.tx;
    const { sign } = client;
    const pairs = Array.from({ length: 20 }, (_, index): [Hex, Hex] => [
      `0x6b${index.toString(16).padStart(4, '0')}`,
      '0x01',
    ]);
    const byRoot = (call: ReturnType<typeof client.transfer>, nonce: number) => sign(sudo.sudo(call), nonce);
    const remove = (limit: number, nonce: number) => byRoot(system.killPrefix('0x6b00', limit), nonce);
    const keysOf = (of: ChainState) => of.keys('0x6b', '0x6b', 100).length;
    const written = state.with(pairs);
    assert.equal(keysOf(await bothBuild([await remove(7, 0)], written)), 13);
    assert.equal(keysOf(await bothBuild([await remove(30, 0)], written)), 0);
    const legacy: Hex = `0x${(await readFile(legacyRuntime)).toString('hex')}`;
    await bothBuild([await byRoot(system.setCodeWithoutChecks(legacy), 0)]);
  });

  it('leaves it to the interpreter to ask another runtime for its version, which may trap', async () => {
    const { sudo, system } = client.api.tx;
    const legacy: Hex = `0x${(await readFile(legacyRuntime)).toString('hex')}`;
    for (const other of [legacy, smallRuntime({ Core_version: wasm.unreachable })]) {
      const calls = [...start, apply(await client.sign(sudo.sudo(system.setCode(other)), 0))];
      assert.throws(() => native.run(calls, state), NeedsInterpreter);
      const outcome = await executor.run(code, calls, state);
      assert.deepEqual(outcome, await interpreter.run(code, calls, state));
      assert.equal(decodeApplied(outcome.result), undefined);
    }
  });

  it('removes by prefix what the same block wrote too, which the interpreter leaves', async () => {
    const { sudo, system } = client.api.tx;
    const write = await client.sign(sudo.sudo(system.setStorage([['0x6b01', '0x01']])), 0);
    const remove = await client.sign(sudo.sudo(system.killPrefix('0x6b', 1)), 1);
    const { storageDiff } = native.run([...start, apply(write), apply(remove)], state);
    assert.equal(new Map(storageDiff).get('0x6b01'), null);
  });

  it('panics with the words of the runtime, and runs on', async () => {
    const header = { parentHash: zeroHash, number: 7, stateRoot: zeroHash, extrinsicsRoot: zeroHash, logs: [] };
    const wrong: RuntimeCall = ['Core_execute_block', [`${encodeHeader(header)}00`]];
    assert.throws(
      () => native.run([wrong], state),
      (error) => isRelayError(error, 'dev-executor-failed') && error.message.includes('panicked'),
    );
    await assert.rejects(interpreter.run(code, [wrong], state), (error) => isRelayError(error, 'dev-executor-failed'));
    await bothBuild([]);
  });

  it('names what the call that trapped has said, not one before it', async () => {
    const functions = {
      logs: wasm.logArgument,
      traps: wasm.unreachable,
      both: [...wasm.logArgument.slice(0, -2), 0x00],
    };
    const runtime = (await nativeRuntime(smallRuntime(functions))) ?? assert.fail('it is plain WASM');
    const word: Hex = `0x${Buffer.from('a word').toString('hex')}`;
    const failsWith = (calls: readonly RuntimeCall[], reason: string) =>
      assert.throws(
        () => runtime.run(calls, state),
        (error) => isRelayError(error, 'dev-executor-failed') && error.message.includes(reason),
      );
    failsWith([['both', [word]]], 'a word');
    failsWith(
      [
        ['logs', [word]],
        ['traps', []],
      ],
      'unreachable',
    );
  });

  it('keeps compiled those runtimes that were asked for last', async () => {
    const codeOf = (index: number) => smallRuntime({ [`f${index}`]: wasm.unreachable });
    const [first, second] = [await nativeRuntime(codeOf(0)), await nativeRuntime(codeOf(1))];
    for (const index of [2, 3, 0, 4]) await nativeRuntime(codeOf(index));
    assert.equal(await nativeRuntime(codeOf(0)), first);
    assert.notEqual(await nativeRuntime(codeOf(1)), second);
  });

  it('leaves to the interpreter what it has no host function for', async () => {
    const stranger = new Keyring({ type: 'ed25519' }).addFromUri('//Stranger');
    const signed = await client.sign(client.transfer(1n), 0, stranger);
    assert.throws(() => native.run([validityOf(signed)], state), NeedsInterpreter);
    const { result } = await executor.run(code, [validityOf(signed)], state);
    assert.match((decodeValidity(result) as { reason: string }).reason, /Inability to pay/);
  });
});
