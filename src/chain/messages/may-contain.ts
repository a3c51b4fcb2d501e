/** Whether one of `needles` is somewhere in the bytes: with most blocks a reader of messages is done by that. */
export function mayContain(bytes: Uint8Array, needles: readonly Uint8Array[]): boolean {
  if (typeof Buffer === 'undefined') return needles.some((needle) => portableIncludes(bytes, needle));
  const text = asBuffer(bytes);
  return needles.some((needle) => text.includes(asBuffer(needle)));
}

/** Where there is no Buffer. */
export function portableIncludes(bytes: Uint8Array, needle: Uint8Array): boolean {
  const [first] = needle;
  if (first === undefined) return true;
  for (let at = bytes.indexOf(first); at >= 0 && at + needle.length <= bytes.length; at = bytes.indexOf(first, at + 1))
    if (needle.every((byte, i) => bytes[at + i] === byte)) return true;
  return false;
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
