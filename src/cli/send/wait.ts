type AnswerWait = 'delivered' | 'read' | 'reply';

/** What `send --wait` waits for. */
export type Wait = AnswerWait | 'stored' | 'inBlock' | 'finalized';

/** Whether it is the recipient's word that is waited for. */
export function isAnswer(wait: Wait | undefined): wait is AnswerWait {
  return wait === 'delivered' || wait === 'read' || wait === 'reply';
}
