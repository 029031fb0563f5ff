// The language of the page. The server has chosen one by cookie or browser; a change is kept in that cookie.

import { en, type Key } from '../words/en.ts';
import { zh } from '../words/zh.ts';

export type { Key };

export type Language = 'en' | 'zh';

const CATALOGUES = { en, zh };
const TAGS = { en: 'en', zh: 'zh-CN' };
const YEAR_S = 365 * 86_400;

let language = $state<Language>(document.documentElement.lang.startsWith('zh') ? 'zh' : 'en');

export function currentLanguage(): Language {
  return language;
}

/** As browsers and `Intl` name it. */
export function languageTag(): string {
  return TAGS[language];
}

export function setLanguage(chosen: Language): void {
  language = chosen;
  document.documentElement.lang = TAGS[chosen];
  document.cookie = `lang=${chosen}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

/** What the page says, with values where `{name}` stands. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  return CATALOGUES[language][key].replace(/\{(\w+)\}/g, (place, name: string) =>
    name in values ? String(values[name]) : place,
  );
}

/** For keys that are made of what the exchange says; the exchange's own word where there is none of ours. */
export function tOr(key: string, otherwise: string): string {
  return key in en ? t(key as Key) : otherwise;
}

export function clock(time: number): string {
  return new Date(time).toLocaleTimeString(languageTag(), { hour12: false });
}

export function moment(time: number): string {
  return new Date(time).toLocaleString(languageTag(), {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hour12: false,
  });
}
