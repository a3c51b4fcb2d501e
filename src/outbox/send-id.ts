/** Local number of a message, in the order in which they were queued. */
export type SendId = bigint;
