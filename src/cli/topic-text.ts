import { toHex } from '../codec/index.ts';

/** Text where it is printable ASCII, else 0x-hex. */
export function topicText(topic: Uint8Array): string {
  return topic.every((byte) => byte > 0x20 && byte < 0x7f) ? new TextDecoder().decode(topic) : toHex(topic);
}
