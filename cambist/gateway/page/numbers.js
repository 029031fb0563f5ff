// Decimal strings stay the strings that the exchange sent; nothing here goes through floating point.

// "50000.10000000" with a step of "0.01000000" is 50000.10: no digit that can be other than zero is cut off.
export function trimmed(text, stepText) {
  const decimals = stepText.replace(/0+$/, '').split('.')[1]?.length ?? 0;
  const [whole, rest = ''] = text.split('.');
  return decimals ? whole + '.' + rest.slice(0, decimals) : whole;
}

// ask - bid, both with the same number of decimals.
export function difference(ask, bid) {
  const scale = ask.split('.')[1]?.length ?? 0;
  const units = BigInt(ask.replace('.', '')) - BigInt(bid.replace('.', ''));
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return (units < 0n ? '-' : '') + (scale ? digits.slice(0, -scale) + '.' + digits.slice(-scale) : digits);
}

export function isZero(text) { return !/[1-9]/.test(text); }

// Change from open to close in percent with a sign, for the eye only; '' where there was no trade.
export function change(open, close) {
  if (isZero(open)) return '';
  const percent = 100 * (Number(close) - Number(open)) / Number(open);
  return (percent > 0 ? '+' : '') + percent.toFixed(2) + '%';
}
