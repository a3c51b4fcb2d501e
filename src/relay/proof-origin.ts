const suffix = '#prove';

/**
 * What a proof through another relay is signed for, instead of the origin of the relay at its end. The relay in between may put any
 * frame round the signature: it must open nothing but what was meant. No origin has a fragment.
 */
export function originOfProof(origin: string): string {
  return origin + suffix;
}

/** The origin that {@link originOfProof} was made from; '' where it was made from none. */
export function dialledOf(origin: string): string {
  return origin.endsWith(suffix) ? origin.slice(0, -suffix.length) : '';
}
