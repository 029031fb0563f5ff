import { describe, expect, test } from 'vitest';
import {
  add,
  amount,
  ceilTo,
  decimal,
  digitsOf,
  divide,
  fixed,
  floorTo,
  format,
  grouped,
  isMultiple,
  multiply,
  parse,
  percent,
  subtract,
} from '../src/exchange/index.ts';

describe('what is read', () => {
  test.each([
    ['0.1', '0.1'],
    ['007.50', '7.5'],
    ['.5', '0.5'],
    ['1,5', '1.5'],
    [' 3 ', '3'],
    ['5.', '5'],
    ['-0.000000000000000001', '-0.000000000000000001'],
    ['99999999999999999999.000000000000000001', '99999999999999999999.000000000000000001'],
  ])('%s is %s', (typed, expected) => {
    expect(format(parse(typed)!)).toBe(expected);
  });

  test.each(['', '.', '-', '1e5', '1.2.3', '0x10', 'NaN', '1 000', '1.0000000000000000001', '１'])(
    '%s is no number',
    (typed) => {
      expect(parse(typed)).toBeUndefined();
    },
  );

  test('what the exchange sends must be a number', () => {
    expect(() => decimal('many')).toThrow(TypeError);
  });
});

describe('arithmetic is exact', () => {
  test('where a JavaScript number is not', () => {
    expect(format(add(decimal('0.1'), decimal('0.2')))).toBe('0.3');
    expect(format(multiply(decimal('78453.21'), decimal('0.00000003')))).toBe('0.0023535963');
    expect(format(subtract(decimal('9007199254740993'), decimal('0.1')))).toBe('9007199254740992.9');
  });

  test('a division is cut off, and by nothing it is nothing', () => {
    expect(format(divide(decimal('1'), decimal('3')))).toBe('0.333333333333333333');
    expect(divide(decimal('1'), decimal('0'))).toBe(0n);
  });

  test('a share never exceeds the whole', () => {
    expect(format(percent(decimal('0.000000000000000003'), 50))).toBe('0.000000000000000001');
    expect(percent(decimal('12.34'), 100)).toBe(decimal('12.34'));
  });

  test('steps', () => {
    expect(format(floorTo(decimal('1.239'), decimal('0.01')))).toBe('1.23');
    expect(format(ceilTo(decimal('1.231'), decimal('0.01')))).toBe('1.24');
    expect(format(ceilTo(decimal('1.23'), decimal('0.01')))).toBe('1.23');
    expect(format(floorTo(decimal('-0.5'), decimal('1')))).toBe('-1');
    expect(isMultiple(decimal('0.3'), decimal('0.1'))).toBe(true);
    expect(isMultiple(decimal('0.35'), decimal('0.1'))).toBe(false);
    expect(digitsOf(decimal('0.00100000'))).toBe(3);
    expect(digitsOf(decimal('1'))).toBe(0);
  });
});

test('for the eye: in groups, never rounded up', () => {
  expect(grouped(decimal('1234567.899'), 2)).toBe('1,234,567.89');
  expect(grouped(decimal('-999.5'), 0)).toBe('-999');
  expect(fixed(decimal('-0.001'), 2)).toBe('0.00');
  expect(amount(decimal('1500.10'))).toBe('1,500.1');
});
