// Light or dark: what was chosen here, else what the system prefers.

export type Theme = 'light' | 'dark';

const system = matchMedia('(prefers-color-scheme: dark)');
const stored = localStorage.getItem('theme');
let chosen = $state<Theme | undefined>(stored === 'light' || stored === 'dark' ? stored : undefined);
let isSystemDark = $state(system.matches);

system.addEventListener('change', () => {
  isSystemDark = system.matches;
});
show();

export function currentTheme(): Theme {
  return chosen ?? (isSystemDark ? 'dark' : 'light');
}

export function switchTheme(): void {
  chosen = currentTheme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', chosen);
  show();
}

function show(): void {
  if (chosen) document.documentElement.dataset['theme'] = chosen;
}
