// Exact amounts. A price, a quantity and a balance arrive as decimal text and are counted in units of 10^-18,
// which every asset and chain fits into; a JavaScript number is used for pixels and percents only.

const DIGITS = 18;
const ONE = 10n ** BigInt(DIGITS);

export type Decimal = bigint & { readonly unit: '10^-18' };

export const ZERO = 0n as Decimal;
const TEXT = /^(-?)(\d{1,38})(?:\.(\d{0,18})0*)?$/;

/** What the exchange has sent. Throws if it is no decimal number: then nothing of the answer can be trusted. */
export function decimal(text: string): Decimal {
  const value = parse(text);
  if (value === undefined) throw new TypeError(`${text.slice(0, 50)} is no decimal number`);
  return value;
}

/** What somebody has typed; undefined if it is not (yet) a number. A comma is taken as the point. */
export function parse(text: string): Decimal | undefined {
  const typed = text
    .trim()
    .replace(',', '.')
    .replace(/^\.(?=\d)/, '0.');
  const found = TEXT.exec(typed);
  if (!found) return undefined;
  const [, sign, whole = '', part = ''] = found;
  const units = BigInt(whole) * ONE + BigInt(part.padEnd(DIGITS, '0'));
  return (sign ? -units : units) as Decimal;
}

export function add(one: Decimal, other: Decimal): Decimal {
  return (one + other) as Decimal;
}

export function subtract(one: Decimal, other: Decimal): Decimal {
  return (one - other) as Decimal;
}

/** Rounded towards nothing below 10^-18. */
export function multiply(one: Decimal, other: Decimal): Decimal {
  return ((one * other) / ONE) as Decimal;
}

/** Rounded towards nothing; ZERO when divided by nothing. */
export function divide(one: Decimal, other: Decimal): Decimal {
  return other === 0n ? ZERO : (((one * ONE) / other) as Decimal);
}

export function percent(value: Decimal, hundredths: number): Decimal {
  return ((value * BigInt(hundredths)) / 100n) as Decimal;
}

/** The largest multiple of `step` that is not above `value`. */
export function floorTo(value: Decimal, step: Decimal): Decimal {
  if (step <= 0n) return value;
  const rest = ((value % step) + step) % step;
  return (value - rest) as Decimal;
}

/** The smallest multiple of `step` that is not below `value`. */
export function ceilTo(value: Decimal, step: Decimal): Decimal {
  const floor = floorTo(value, step);
  return floor === value ? value : ((floor + step) as Decimal);
}

export function isMultiple(value: Decimal, step: Decimal): boolean {
  return step <= 0n || value % step === 0n;
}

export function smaller(one: Decimal, other: Decimal): Decimal {
  return one < other ? one : other;
}

/** How many digits behind the point a step has: 2 for 0.01. */
export function digitsOf(step: Decimal): number {
  return format(step).split('.')[1]?.length ?? 0;
}

/** As the API takes it: no exponent, no grouping, no zeros at the end. */
export function format(value: Decimal): string {
  const text = fixed(value, DIGITS);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** With so many digits behind the point, further ones cut off. */
export function fixed(value: Decimal, digits: number): string {
  const units: bigint = value < 0n ? -(value as bigint) : value;
  const part = (units % ONE).toString().padStart(DIGITS, '0').slice(0, digits);
  const sign = value < 0n && /[1-9]/.test(`${units / ONE}${part}`) ? '-' : '';
  return `${sign}${units / ONE}${digits > 0 ? `.${part}` : ''}`;
}

/** For the eye: like `fixed`, with the whole part in groups of three. */
export function grouped(value: Decimal, digits: number): string {
  const [whole = '', part] = fixed(value, digits).split('.');
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return part === undefined ? groups : `${groups}.${part}`;
}

/** For the eye: as many digits as there are, in groups, at most `most` of them behind the point. */
export function amount(value: Decimal, most = 8): string {
  const digits = Math.min(most, digitsOf(value));
  return grouped(value, digits);
}

/** For pixels and percents. */
export function toNumber(value: Decimal): number {
  return Number(value) / Number(ONE);
}
