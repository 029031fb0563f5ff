import { explain, failureOf, type Failure } from './explain.ts';
import { leaveIfEnded } from './session.svelte.ts';

/** One thing at a time, and what went wrong with it, in the language that the page has now. */
export class Attempt {
  isBusy = $state(false);
  private failure = $state.raw<Failure>();

  constructor(private readonly explained: (failure: Failure) => string = explain) {}

  get problem(): string {
    return this.failure ? this.explained(this.failure) : '';
  }

  /** True if it worked. */
  async run(act: () => Promise<unknown>): Promise<boolean> {
    this.forget();
    this.isBusy = true;
    try {
      await act();
      return true;
    } catch (problem) {
      this.failure = failureOf(problem);
      leaveIfEnded(this.failure);
      return false;
    } finally {
      this.isBusy = false;
    }
  }

  forget(): void {
    this.failure = undefined;
  }
}
