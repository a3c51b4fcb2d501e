import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { root } from './root.mjs';

const stillRunningEveryMs = 10_000;

/** Exit code as a shell gives it: 128 + n for a process that a signal ended. */
function exitCode(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/** Runs a program on this terminal and gives its exit code. Ctrl-C reaches it from the terminal by itself. */
export function pass(command, args, { env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env });
    const forward = (signal) => {
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, forward);
      resolve(exitCode(code, signal));
    });
  });
}

/** Runs a program and keeps what it prints: `{ code, output, stdout }`. */
export function capture(command, args, { cwd = root, env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    const end = () => child.kill();
    process.once('exit', end);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.off('exit', end);
      resolve({ code: exitCode(code, signal), output, stdout });
    });
  });
}

/** One line when a step begins, one every ten seconds while it goes on, one at its end; its output only if it fails. */
export async function step(title, command, args, options) {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(0)} s`;
  say(`${title} …`);
  const ticker = setInterval(() => say(`  still ${title}, ${seconds()}`), stillRunningEveryMs);
  const { code, output } = await capture(command, args, options).finally(() => clearInterval(ticker));
  if (code !== 0) {
    process.stderr.write(output);
    throw new StepFailed(`${title} failed with exit code ${code}; what it printed is above.`);
  }
  say(`  done in ${seconds()}`);
}

/** A step's own words are enough: whoever catches it prints the message, not a stack. */
export class StepFailed extends Error {}

/** Progress goes to stderr, so that stdout stays the program's. */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/** Runs a script's body; a step that failed ends it with one sentence. */
export async function main(body) {
  try {
    process.exitCode = await body(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
