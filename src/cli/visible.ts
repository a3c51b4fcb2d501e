/** What steers a terminal, breaks a line, or hides or turns text (UTR 36): controls but the tab, formats, line separators. */
const steering = /(?!\t)[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** Words of others for one line of a terminal: what could forge a line or hide one is written out, as `\u{1b}`. */
export function visible(text: string): string {
  return text.replace(steering, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** As {@link visible}, of several lines. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}
