/** Lets a Node process end while a timer runs; elsewhere timers hold nothing up. */
export function letGo(timer: ReturnType<typeof setTimeout>): void {
  (timer as { unref?: () => void }).unref?.();
}
