import { expect, test, vi } from 'vitest';
import * as columns from '../src/console/columns.ts';
import * as values from '../src/console/values.ts';
import * as words from '../src/console/words.ts';

vi.stubGlobal('navigator', { language: 'en' }); // before the page is made, which looks at it
const { heading, named, page, shown } = await import('../src/console/page.svelte.ts');

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

test.each(Object.entries({ words, columns, values }))(
  'the console says all its %s in both languages',
  (_, all) => {
    const { en, zh } = all as { en: Record<string, string>; zh: Record<string, string> };
    expect(Object.keys(zh).sort()).toEqual(Object.keys(en).sort());
    for (const [name, text] of Object.entries(en)) {
      expect(zh[name], name).toBeTruthy();
      expect(places(zh[name] ?? ''), name).toEqual(places(text));
    }
  },
);

test('states, roles and sides are in the language of who reads them', () => {
  page.language = 'zh';
  expect([shown('state', 'held'), shown('side', 'BUY'), heading('state')]).toEqual([
    '待审核',
    '买入',
    '状态',
  ]);
  expect(shown('roles', ['reviewer', 'auditor'])).toBe('审核员, 审计员');
  page.language = 'en';
  expect([shown('state', 'held'), shown('roles', ['reviewer'])]).toEqual(['To be reviewed', 'Reviewer']);
});

test('a value without words, and what people have written, is shown as it is', () => {
  expect([named('unheard-of'), shown('state', 'unheard-of')]).toEqual(['unheard-of', 'unheard-of']);
  expect([shown('name', 'left'), shown('reason', 'failed')]).toEqual(['left', 'failed']);
  expect(shown('ipAllow', ['10.0.0.1'])).toBe('10.0.0.1');
  expect(shown('roles', [])).toBe('–');
});
