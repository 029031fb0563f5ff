import { onMount } from 'svelte';

/** Does it now and again and again, while the component is there and somebody looks. */
export function every(ms: number, work: () => Promise<void>): void {
  onMount(() => {
    let isGone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const turn = async () => {
      if (!document.hidden) await work();
      if (!isGone) timer = setTimeout(() => void turn(), ms);
    };
    void turn();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  });
}
