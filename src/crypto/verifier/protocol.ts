/** A batch on its way to a thread. */
export interface ToThread {
  readonly batch: number;
  readonly count: number;
  /** Of `packSigned`; transferred. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** Verify one by one: they come from one who had a bad signature among the last ones. */
  readonly apart: boolean;
}

export interface FromThread {
  readonly batch: number;
  /** 1 for a valid signature; transferred. */
  readonly verdicts: Uint8Array<ArrayBuffer>;
}
