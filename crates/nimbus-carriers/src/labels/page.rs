//! A page to draw on: text, bars and rules, measured in points from the upper left corner.

use super::{
    barcode::Bars,
    font::{Fitted, LEADING, Weight, clean},
};

/// Dots of a thermal printer in an inch. Bars stand on whole dots, so that none is wider than it should be.
pub(super) const DOTS_PER_INCH: f32 = 203.0;
/// The narrowest module, in dots.
const LEAST_DOTS: usize = 2;
/// By how much a bar is drawn short of its dots at either end, in dots: an edge that is rounded over the end of a dot
/// would blacken the next one.
const SHORT: f32 = 0.05;
/// Points in an inch.
pub(super) const INCH: f32 = 72.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Black,
    White,
}

/// One thing on a page; `y` of a text is its baseline.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    Text { x: f32, y: f32, size: f32, weight: Weight, ink: Ink, text: String },
    Bar { x: f32, y: f32, width: f32, height: f32 },
}

pub(super) struct Page {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) marks: Vec<Mark>,
}

impl Page {
    /// A page of so many inches.
    pub(super) fn inches(width: f32, height: f32) -> Self {
        Self { width: width * INCH, height: height * INCH, marks: Vec::new() }
    }

    /// A line of text with its baseline at `y`; gives its width.
    pub(super) fn text(&mut self, x: f32, y: f32, size: f32, weight: Weight, text: &str) -> f32 {
        self.inked(x, y, size, weight, Ink::Black, text)
    }

    pub(super) fn inked(&mut self, x: f32, y: f32, size: f32, weight: Weight, ink: Ink, text: &str) -> f32 {
        let text = clean(text);
        let width = weight.width(&text, size);
        self.marks.push(Mark::Text { x, y, size, weight, ink, text });
        width
    }

    /// A line of text that ends at `right`.
    pub(super) fn text_to(&mut self, right: f32, y: f32, size: f32, weight: Weight, text: &str) {
        let width = weight.width(&clean(text), size);
        self.text(right - width, y, size, weight, text);
    }

    /// A line of text around the middle of the page.
    pub(super) fn centred(&mut self, y: f32, size: f32, weight: Weight, text: &str) {
        let width = weight.width(&clean(text), size);
        self.text((self.width - width) / 2.0, y, size, weight, text);
    }

    /// A block of lines whose box begins at `top`; gives where it ends.
    pub(super) fn block(&mut self, x: f32, top: f32, weight: Weight, block: &Fitted) -> f32 {
        let step = block.size * LEADING;
        for (line, text) in block.lines.iter().enumerate() {
            // The baseline lies below the top by the height of capitals and half of what is between lines.
            self.text(x, top + line as f32 * step + block.size * 0.95, block.size, weight, text);
        }
        top + block.height()
    }

    /// A filled rectangle.
    pub(super) fn bar(&mut self, x: f32, y: f32, width: f32, height: f32) {
        self.marks.push(Mark::Bar { x, y, width, height });
    }

    /// A line from margin to margin.
    pub(super) fn rule(&mut self, margin: f32, y: f32, thickness: f32) {
        let width = self.width - 2.0 * margin;
        self.bar(margin, y, width, thickness);
    }

    /// Bars around the middle of the page, as wide as whole dots of a printer for each module allow, at most four.
    /// `false`, and nothing drawn, where a module would be narrower than a thermal printer prints reliably.
    pub(super) fn barcode(&mut self, bars: &Bars, y: f32, height: f32) -> bool {
        let dot = INCH / DOTS_PER_INCH;
        let room = (self.width / dot) as usize;
        let each = (room / (bars.modules() + 2 * Bars::QUIET)).min(4);
        if each < LEAST_DOTS {
            return false;
        }
        let left = (room - bars.modules() * each) / 2;
        for (start, length) in bars.runs() {
            let (first, count) = ((left + start * each) as f32, (length * each) as f32);
            self.bar((first + SHORT) * dot, y, (count - 2.0 * SHORT) * dot, height);
        }
        true
    }

    /// Whether everything lies on the page.
    #[cfg(test)]
    pub(super) fn holds_all(&self) -> bool {
        let within = |left: f32, top: f32, right: f32, bottom: f32| {
            left >= 0.0 && top >= 0.0 && right <= self.width && bottom <= self.height
        };
        self.marks.iter().all(|mark| match mark {
            Mark::Text { x, y, size, weight, text, .. } => {
                within(*x, y - size * 0.95, x + weight.width(text, *size), y + size * 0.25)
            }
            Mark::Bar { x, y, width, height } => within(*x, *y, x + width, y + height),
        })
    }

    /// Every text on the page, in the order in which it was written.
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        for mark in &self.marks {
            if let Mark::Text { text, .. } = mark {
                texts.push(text.as_str());
            }
        }
        texts
    }
}
