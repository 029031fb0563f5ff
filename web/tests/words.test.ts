import { expect, test } from 'vitest';
import { en, type Key } from '../src/words/en.ts';
import { zh } from '../src/words/zh.ts';

const places = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]).sort();

test.each(Object.keys(en) as Key[])('%s says the same in both languages', (key) => {
  expect(zh[key]).toBeTruthy();
  expect(places(zh[key])).toEqual(places(en[key]));
});
