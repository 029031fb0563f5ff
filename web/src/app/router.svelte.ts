// Where in the exchange the page is: the path of its address.

let path = $state(location.pathname);

addEventListener('popstate', () => {
  path = location.pathname;
});

export function currentPath(): string {
  return path;
}

export function go(to: string, how: 'push' | 'replace' = 'push'): void {
  if (to === location.pathname) return;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', to);
  path = location.pathname;
  if (how === 'push') scrollTo(0, 0);
}

/** For the whole document: a plain click on a link of ours changes the path and loads nothing. */
export function follow(event: MouseEvent): void {
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  const link = (event.target as Element).closest('a');
  if (!isPlain || event.defaultPrevented || !link || link.target || link.origin !== location.origin) return;
  if (link.hash && link.pathname === location.pathname) return;
  event.preventDefault();
  go(link.pathname);
}
