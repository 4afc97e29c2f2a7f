//! CBOR in the one form that authenticators may write (CTAP 2.2, section 8, "Message Encoding"; RFC 8949): definite
//! lengths, each in its shortest form, no tags, four levels at most.
//!
//! Own code, because the crates that there are read what this form forbids (indefinite lengths, long forms of small
//! numbers, keys twice), which parties should refuse (W3C Web Authentication Level 3, section 2), and read into trees.
//! Everything here borrows from what is read; a length that was lied about finds the end of it.

use super::ceremony::Fault;

/// Maps and lists within one another, the outermost counted.
const DEEPEST: u8 = 4;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const SIMPLE: u8 = 7;

/// A number or bytes, which is all that a key consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

/// What is left to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next so many bytes as they are.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next so many bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Malformed)
    }

    /// The kind of the next item, and its number: its value, or how long it is.
    fn head(&mut self) -> Result<(u8, u64), Fault> {
        let [first] = *self.array()?;
        let (kind, short) = (first >> 5, first & 0x1f);
        let (value, least) = match short {
            0..=23 => (u64::from(short), 0),
            24 => (u64::from(self.array::<1>()?[0]), 24),
            25 => (u64::from(u16::from_be_bytes(*self.array()?)), 1 << 8),
            26 => (u64::from(u32::from_be_bytes(*self.array()?)), 1 << 16),
            27 => (u64::from_be_bytes(*self.array()?), 1 << 32),
            _ => return Err(Fault::Malformed),
        };
        if value < least { Err(Fault::Malformed) } else { Ok((kind, value)) }
    }

    fn of_kind(&mut self, wanted: u8) -> Result<u64, Fault> {
        let (kind, value) = self.head()?;
        if kind == wanted { Ok(value) } else { Err(Fault::Malformed) }
    }

    fn sized(&mut self, length: u64) -> Result<&'a [u8], Fault> {
        self.take(usize::try_from(length).map_err(|_| Fault::Malformed)?)
    }

    /// Enters a map: how many pairs it has.
    pub(super) fn map(&mut self) -> Result<u64, Fault> {
        self.of_kind(MAP)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.of_kind(BYTES)?;
        self.sized(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let length = self.of_kind(TEXT)?;
        std::str::from_utf8(self.sized(length)?).map_err(|_| Fault::Malformed)
    }

    /// A number or bytes.
    pub(super) fn plain(&mut self) -> Result<Plain<'a>, Fault> {
        let (kind, value) = self.head()?;
        let number = || i64::try_from(value).map_err(|_| Fault::Malformed);
        match kind {
            UNSIGNED => Ok(Plain::Int(number()?)),
            NEGATIVE => Ok(Plain::Int(-1 - number()?)),
            BYTES => Ok(Plain::Bytes(self.sized(value)?)),
            _ => Err(Fault::Malformed),
        }
    }

    /// Passes over a map within another one, or with `depth` 0 the outermost.
    pub(super) fn skip_map(&mut self, depth: u8) -> Result<(), Fault> {
        let before = *self;
        self.map()?;
        *self = before;
        self.skip(depth)
    }

    /// Passes over one item, whatever it is, within so many others.
    fn skip(&mut self, depth: u8) -> Result<(), Fault> {
        let (kind, value) = self.head()?;
        match kind {
            UNSIGNED | NEGATIVE => Ok(()),
            BYTES => self.sized(value).map(drop),
            TEXT => std::str::from_utf8(self.sized(value)?).map(drop).map_err(|_| Fault::Malformed),
            // However many are promised: each takes a byte at least, and the end of them is the end of this.
            LIST if depth < DEEPEST => (0..value).try_for_each(|_| self.skip(depth + 1)),
            MAP if depth < DEEPEST => {
                (0..value).try_for_each(|_| self.skip(depth + 1).and_then(|()| self.skip(depth + 1)))
            }
            // False, true and null; what authenticators send has no fractions.
            SIMPLE if (20..=22).contains(&value) => Ok(()),
            _ => Err(Fault::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether one item is read to its end.
    fn passes(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        reader.skip(0).is_ok() && reader.rest().is_empty()
    }

    #[test]
    fn one_form_of_each_item_is_read() {
        for good in [
            &[0x00][..],
            &[0x17],
            &[0x18, 24],
            &[0x19, 1, 0],
            &[0x1a, 0, 1, 0, 0],
            &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x20],
            &[0x40],
            &[0x63, b'f', b'm', b't'],
            &[0x82, 0x01, 0x80],
            &[0xa1, 0x01, 0xa0],
            &[0xf4],
            &[0xf5],
            &[0xf6],
        ] {
            assert!(passes(good), "{good:x?}");
        }
        for (bad, why) in [
            (&[][..], "nothing"),
            (&[0x18, 23], "a long form"),
            (&[0x19, 0, 255], "a long form"),
            (&[0x1a, 0, 0, 255, 255], "a long form"),
            (&[0x1b, 0, 0, 0, 0, 255, 255, 255, 255], "a long form"),
            (&[0x58, 1, 7], "a long form of a length"),
            (&[0x1c], "no such length"),
            (&[0x5f, 0x41, 1, 0xff], "an indefinite length"),
            (&[0x9f, 0xff], "an indefinite length"),
            (&[0xbf, 0xff], "an indefinite length"),
            (&[0xc1, 0], "a tag"),
            (&[0xf9, 0x3c, 0], "a fraction"),
            (&[0xf7], "undefined"),
            (&[0xf8, 32], "another simple value"),
            (&[0x42, 1], "an end too soon"),
            (&[0x61, 0xff], "a text that is none"),
            (&[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a huge length"),
            (&[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], "a huge list"),
            (&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0], "a huge map"),
            (&[0x00, 0x00], "more than one"),
        ] {
            assert!(!passes(bad), "{why}: {bad:x?}");
        }
    }

    #[test]
    fn four_levels_are_the_deepest() {
        assert!(passes(&[0x81, 0x81, 0x81, 0x80]));
        assert!(!passes(&[0x81, 0x81, 0x81, 0x81, 0x80]));
        assert!(!passes(&[0x81; 100_000]));
        assert!(!passes(&[0xa1; 100_000]));
    }

    #[test]
    fn numbers_and_bytes_are_told_apart() {
        let plain = |bytes: &[u8]| Reader::new(bytes).plain().ok().map(|it| format!("{it:?}"));
        assert_eq!(plain(&[0x26]).as_deref(), Some("Int(-7)"));
        assert_eq!(plain(&[0x39, 1, 0]).as_deref(), Some("Int(-257)"));
        assert_eq!(plain(&[0x41, 9]).as_deref(), Some("Bytes([9])"));
        let most = [0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(plain(&most), Some(format!("Int({})", i64::MIN)));
        assert_eq!(plain(&[0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(plain(&[0x60]), None);
    }
}
