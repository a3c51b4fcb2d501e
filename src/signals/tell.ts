import { Observable } from 'rxjs';

/**
 * Calls an observer that a caller gave. What it throws stops nothing here: it is reported as what a subscriber of an Observable
 * throws, later and as an uncaught error, or to `onUnhandledError` of RxJS's `config` where that is set.
 */
export function tell(observer: () => void): void {
  new Observable<void>((subscriber) => {
    subscriber.next();
  }).subscribe(observer);
}
