import type { Path } from './channel-marks.ts';
import { SeenRun } from './seen-run.ts';

/** What a batch admitted of one channel. */
export class Admitted {
  readonly alone: { readonly path: Path; readonly nonce: bigint; readonly tag: bigint }[] = [];
  readonly run = new SeenRun();

  get size(): number {
    return this.alone.length + this.run.nonces.length;
  }

  /** Of all nonces; made for the first that is asked for, which most batches never do. */
  #nonces: Set<bigint> | undefined;

  addToRun(nonce: bigint, tag: bigint): void {
    this.run.add(nonce, tag);
    this.#nonces?.add(nonce);
  }

  addAlone(nonce: bigint, tag: bigint, path: Path): void {
    this.alone.push({ path, nonce, tag });
    this.#nonces?.add(nonce);
  }

  has(nonce: bigint): boolean {
    this.#nonces ??= new Set([...this.run.nonces, ...this.alone.map((each) => each.nonce)]);
    return this.#nonces.has(nonce);
  }
}
