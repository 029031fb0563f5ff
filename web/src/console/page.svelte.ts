// What all parts of the console share: who is signed in, the language, and how values are shown.

import { Refusal, setCsrfToken, type Me } from './api.ts';
import * as columns from './columns.ts';
import * as values from './values.ts';
import { en, zh, type Word } from './words.ts';

export type Language = 'en' | 'zh';

const CATALOGUES = { en, zh };
const HEADINGS = { en: columns.en, zh: columns.zh };
const VALUES: Record<Language, Readonly<Record<string, string>>> = { en: values.en, zh: values.zh };
const NAMED: readonly string[] = values.COLUMNS;

class Page {
  me = $state<Me | undefined>();
  language = $state<Language>(navigator.language.startsWith('zh') ? 'zh' : 'en');

  enter(me: Me): void {
    setCsrfToken(me.csrfToken);
    this.me = me;
  }

  may(action: string): boolean {
    return this.me?.actions.includes(action) ?? false;
  }
}

export const page = new Page();

export function t(word: Word, values: Record<string, string | number> = {}): string {
  return CATALOGUES[page.language][word].replace(/\{(\w+)\}/g, (place, name: string) =>
    name in values ? String(values[name]) : place,
  );
}

/** Of a column of fields with this name. */
export function heading(name: columns.Column): string {
  return HEADINGS[page.language][name];
}

export function moment(time: number): string {
  return new Date(time).toLocaleString(page.language === 'zh' ? 'zh-CN' : 'en-GB', { hour12: false });
}

/** A value that the API gives by name, in words; as it is if there are none. */
export function named(value: string): string {
  return VALUES[page.language][value] ?? value;
}

/** A field of a row, by its name: what ends like a time is one. */
export function shown(name: string, value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value === 'number' && /^time$|At$|Until$|From$/.test(name)) return moment(value);
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  if (typeof value === 'string') return NAMED.includes(name) ? named(value) : value;
  if (Array.isArray(value)) return value.map((each) => shown(name, each)).join(', ') || '–';
  return JSON.stringify(value);
}

export function explained(problem: unknown): string {
  if (problem instanceof Refusal) return `${problem.message} (${problem.reason})`;
  return problem instanceof Error ? problem.message : String(problem);
}
