//! The two faces that labels are set in: their metrics, and how a text is wrapped and shrunk into a box.
//!
//! Roboto (Apache-2.0; licence beside the files) has every letter of Latin-1, Latin Extended-A and -B, Greek and
//! Cyrillic.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The distance between baselines, by the size of the type.
pub(super) const LEADING: f32 = 1.18;
/// By how much type is made smaller at once, in points.
const STEP: f32 = 0.5;
/// The smallest size that is tried, in points; a text that is still too long takes more lines than the box has.
const SMALLEST: f32 = 3.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular = 0,
    Bold = 1,
}

impl Weight {
    pub(super) const ALL: [Self; 2] = [Self::Regular, Self::Bold];

    /// The whole font file.
    pub(super) const fn file(self) -> &'static [u8] {
        match self {
            Self::Regular => include_bytes!("../../fonts/Roboto-Regular.ttf"),
            Self::Bold => include_bytes!("../../fonts/Roboto-Bold.ttf"),
        }
    }

    pub(super) fn face(self) -> &'static Face<'static> {
        &FACES[self as usize]
    }

    /// The glyph of a letter and how far it advances, in thousandths of the size. A letter that the face lacks is
    /// set without its marks or, where it has none, as the box of a missing glyph.
    pub(super) fn glyph(self, letter: char) -> (GlyphId, f32) {
        let face = self.face();
        let plain = || letter.nfkd().find(|part| !is_combining_mark(*part));
        let found = face.glyph_index(letter).or_else(|| face.glyph_index(plain()?));
        let glyph = found.unwrap_or_default();
        let advance = face.glyph_hor_advance(glyph).unwrap_or(0);
        (glyph, f32::from(advance) * 1000.0 / f32::from(face.units_per_em()))
    }

    /// The width of a text, in points.
    pub(super) fn width(self, text: &str, size: f32) -> f32 {
        text.chars().map(|letter| self.glyph(letter).1).sum::<f32>() * size / 1000.0
    }
}

static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
    // The files are part of this crate and every test of it reads them.
    Weight::ALL.map(|weight| Face::parse(weight.file(), 0).expect("an embedded font is well formed"))
});

/// A text as it is set: composed, on one line, without what cannot be seen.
pub(super) fn clean(text: &str) -> String {
    let visible = text.nfc().map(|letter| if letter.is_control() { ' ' } else { letter }).collect::<String>();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Breaks a clean text into lines of at most `width` points, between words where it can.
pub(super) fn wrap(text: &str, weight: Weight, size: f32, width: f32) -> Vec<String> {
    let fits = |line: &str| weight.width(line, size) <= width;
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for letter in word.chars() {
            line.push(letter);
            if !fits(&line) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, letter.to_string()));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Paragraphs as they fit a box.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fitted {
    pub(super) size: f32,
    pub(super) lines: Vec<String>,
}

impl Fitted {
    pub(super) fn height(&self) -> f32 {
        self.lines.len() as f32 * self.size * LEADING
    }
}

/// Sets paragraphs, each on lines of its own, as large as a box of these points allows, at most `size`.
pub(super) fn fit(paragraphs: &[String], weight: Weight, size: f32, width: f32, height: f32) -> Fitted {
    let mut size = size;
    loop {
        let lines = paragraphs.iter().flat_map(|text| wrap(text, weight, size, width)).collect();
        let fitted = Fitted { size, lines };
        if fitted.height() <= height || size <= SMALLEST {
            return fitted;
        }
        size = (size - STEP).max(SMALLEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_languages_have_their_letters() {
        for name in ["Łukasz Żółć", "Zoë Nuñez", "Đặng Nguyễn", "Őrs Győző", "Søren Åse Þór", "Ştefan Ğül"]
        {
            for weight in Weight::ALL {
                let missing: Vec<char> =
                    clean(name).chars().filter(|&letter| weight.glyph(letter).0.0 == 0).collect();
                assert!(missing.is_empty(), "{name}: {missing:?}");
            }
        }
        // Composed and decomposed are one letter.
        assert_eq!(clean("Zoe\u{308}\n A"), "Zoë A");
    }

    #[test]
    fn nothing_is_lost_by_wrapping() {
        let text = "Wolfeschlegelsteinhausenbergerdorff of the House of Several Very Long Names";
        for width in [30.0, 80.0, 200.0] {
            let lines = wrap(text, Weight::Bold, 11.0, width);
            assert!(lines.iter().all(|line| Weight::Bold.width(line, 11.0) <= width), "{lines:?}");
            let letters = |text: &str| text.replace(' ', "");
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }

    #[test]
    fn type_shrinks_until_it_fits_and_no_further() {
        let lines = vec!["One line".to_owned(), "another".to_owned()];
        assert_eq!(fit(&lines, Weight::Regular, 14.0, 200.0, 100.0).size, 14.0);
        let small = fit(&lines, Weight::Regular, 14.0, 200.0, 20.0);
        assert!(small.height() <= 20.0 && small.size > 7.0, "{small:?}");
    }
}
