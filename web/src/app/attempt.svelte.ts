import { explain } from './explain.ts';

/** One thing at a time, and what went wrong with it. */
export class Attempt {
  problem = $state('');
  isBusy = $state(false);

  /** True if it worked. */
  async run(act: () => Promise<void>): Promise<boolean> {
    this.problem = '';
    this.isBusy = true;
    try {
      await act();
      return true;
    } catch (failure) {
      this.problem = explain(failure);
      return false;
    } finally {
      this.isBusy = false;
    }
  }
}
