//! Decimal strings and the integers they stand for, as cambist/money.py says: nothing but ASCII digits with at most one
//! dot between them, at most 20 on either side, exact.

const DIGITS_MAX: usize = 20;
/// What surely fits 128 bits.
const ALL_DIGITS_MAX: usize = 38;

/// A number of at most 38 digits, of which the last `decimals` stand behind the dot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decimal {
    digits: u128,
    decimals: u8,
}

impl Decimal {
    /// None for what is no number, and for one too long for here.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = match text.split_once('.') {
            Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
            Some(_) => return None,
            None => (text, ""),
        };
        if whole.is_empty() || whole.len() > DIGITS_MAX || decimals.len() > DIGITS_MAX {
            return None;
        }
        let decimals_read = decimals.trim_end_matches('0');
        if whole.len() + decimals_read.len() > ALL_DIGITS_MAX {
            return None;
        }
        let mut digits = 0;
        for byte in whole.bytes().chain(decimals.bytes()) {
            if !byte.is_ascii_digit() {
                return None;
            }
        }
        for byte in whole.bytes().chain(decimals_read.bytes()) {
            digits = 10 * digits + (byte - b'0') as u128;
        }
        Some(Decimal { digits, decimals: decimals_read.len() as u8 })
    }

    /// None if there are more decimals than the scale has.
    pub fn atoms(&self, scale: u8) -> Option<u128> {
        self.digits.checked_mul(10_u128.pow(scale.checked_sub(self.decimals)?.into()))
    }

    /// None unless it is a whole number of steps, above zero, that a command can carry.
    pub fn steps(&self, scale: u8, step_atoms: u64) -> Option<u64> {
        let atoms = self.atoms(scale)?;
        let step = step_atoms as u128;
        let steps = u64::try_from(atoms.checked_div(step)?).ok()?;
        (steps > 0 && atoms % step == 0).then_some(steps)
    }
}

/// All `scale` decimals, as in 0.50000000; without a dot at scale 0.
pub fn push_atoms(text: &mut Vec<u8>, atoms: u128, scale: u8) {
    let one = 10_u128.pow(scale.into());
    push_number(text, atoms / one);
    if scale > 0 {
        text.push(b'.');
        let at = text.len();
        text.resize(at + scale as usize, b'0');
        put_digits(&mut text[at..], atoms % one);
    }
}

pub fn push_number(text: &mut Vec<u8>, number: u128) {
    let at = text.len();
    text.resize(at + number.checked_ilog10().unwrap_or(0) as usize + 1, b'0');
    put_digits(&mut text[at..], number);
}

/// Right-aligned over zeros.
fn put_digits(place: &mut [u8], number: u128) {
    let mut place = place.iter_mut().rev();
    let mut number = number;
    while number > u64::MAX as u128 {
        *place.next().expect("room for every digit") = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let mut number = number as u64;
    while number > 0 {
        *place.next().expect("room for every digit") = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(atoms: u128, scale: u8) -> String {
        let mut text = Vec::new();
        push_atoms(&mut text, atoms, scale);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn amounts_have_all_their_decimals() {
        assert_eq!(shown(0, 8), "0.00000000");
        assert_eq!(shown(50_000_000, 8), "0.50000000");
        assert_eq!(shown(12_345, 0), "12345");
        assert_eq!(shown(u128::MAX, 18), "340282366920938463463.374607431768211455");
    }

    #[test]
    fn steps_are_exact() {
        let read = |text| Decimal::read(text).unwrap();
        assert_eq!(read("1.50").steps(8, 50_000_000), Some(3));
        assert_eq!(read("1.5").steps(8, 40_000_000), None);
        assert_eq!(read("0.123456789").steps(8, 1), None);
        assert_eq!(read("0.000").steps(8, 1), None);
        assert_eq!(read("18446744073709551615").steps(0, 1), Some(u64::MAX));
        assert_eq!(read("18446744073709551616").steps(0, 1), None);
    }

    #[test]
    fn what_is_no_plain_number_is_left_to_others() {
        for text in ["", ".", "1.", ".1", "1e5", "-1", "+1", "1_0", " 1", "1.2.3", "123456789012345678901"] {
            assert_eq!(Decimal::read(text), None, "{text}");
        }
    }
}
