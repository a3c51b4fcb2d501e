/** Runs in a thread of its own: an interpreted call takes tens of milliseconds, which the server must not stand still for. */
import { parentPort } from 'node:worker_threads';
import { get_runtime_version, run_task, type JsCallback } from '@acala-network/chopsticks-executor';
import type { Hex } from '../../codec/hex.ts';
import type { FromThread, ToThread } from './protocol.ts';

const codes = new Map<number, Hex>();
const answers = new Map<number, (value: Hex | undefined) => void>();
let requests = 0;

parentPort?.on('message', (message: ToThread) => {
  if (message.kind === 'code') codes.set(message.code, message.wasm);
  else if (message.kind === 'value') answer(message.request, message.value);
  else void perform(message);
});

async function perform(message: Extract<ToThread, { task: number }>): Promise<void> {
  const { task } = message;
  const wasm = codes.get(message.code);
  try {
    const result: unknown =
      message.kind === 'version'
        ? await get_runtime_version(wasm)
        : await run_task(
            {
              id: task,
              wasm,
              calls: message.calls,
              mockSignatureHost: 0,
              allowUnresolvedImports: true,
              runtimeLogLevel: 0,
              storageProofSize: 0,
            },
            callbacks(task),
          );
    send({ kind: 'done', task, result });
  } catch (error) {
    send({ kind: 'failed', task, reason: error instanceof Error ? error.message : String(error) });
  }
}

function callbacks(task: number): JsCallback {
  // The state of a task never changes, and runtimes read the same few keys over and over.
  const known = new Map<Hex, Promise<Hex | undefined>>();
  return {
    getStorage: (key) => {
      let value = known.get(key);
      if (value === undefined) {
        value = ask((request) => ({ kind: 'get', task, request, key }));
        known.set(key, value);
      }
      return value;
    },
    getNextKey: (prefix, key) => ask((request) => ({ kind: 'next', task, request, prefix, key })),
    offchainGetStorage: () => Promise.resolve(undefined),
    offchainTimestamp: () => Promise.resolve(Date.now()),
    offchainRandomSeed: () => Promise.resolve<Hex>(`0x${'00'.repeat(32)}`),
    offchainSubmitTransaction: () => Promise.resolve(false),
  };
}

function ask(question: (request: number) => FromThread): Promise<Hex | undefined> {
  const request = (requests += 1);
  return new Promise((resolve) => {
    answers.set(request, resolve);
    send(question(request));
  });
}

function answer(request: number, value: Hex | undefined): void {
  answers.get(request)?.(value);
  answers.delete(request);
}

function send(message: FromThread): void {
  parentPort?.postMessage(message);
}
