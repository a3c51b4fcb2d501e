/** SCALE of Vec<Bytes>, each a SignedEnvelope. */
export const batchType = 'application/vnd.khala-relay.batch';

/** Whether a content type, parameters included, is that of a batch as bytes. */
export function isBatch(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === batchType;
}
