//! Pages as a PDF, with as much of each face embedded as its letters need.

use std::{collections::BTreeMap, io::Write};

use flate2::{Compression, write::ZlibEncoder};
use pdf_writer::{
    Content, Filter, Finish, Name, Pdf as Writer, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};
use subsetter::GlyphRemapper;

use super::{
    LabelError, Pdf,
    font::Weight,
    page::{Ink, Mark, Page},
};

const ROMAN_IDENTITY: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const FONT_NAMES: [&[u8]; 2] = [b"R", b"B"];
/// As subsets are named: six capitals before the name (ISO 32000-1, 9.6.4).
const BASE_NAMES: [&[u8]; 2] = [b"NIMBUS+Roboto-Regular", b"NIMBUS+Roboto-Bold"];

/// The letters of one weight that a document has, and their places in its subset.
#[derive(Default)]
struct Letters {
    places: GlyphRemapper,
    /// By place: the letter, and its width in thousandths of the size.
    used: BTreeMap<u16, (char, f32)>,
}

impl Letters {
    fn place(&mut self, weight: Weight, letter: char) -> u16 {
        let (glyph, width) = weight.glyph(letter);
        let place = self.places.remap(glyph.0);
        self.used.entry(place).or_insert((letter, width));
        place
    }
}

/// Numbers of the objects of a document, one after the other.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Writes pages as a document. `title` holds no patient data: viewers show it and name files by it.
pub(super) fn write(title: &str, pages: &[Page]) -> Result<Pdf, LabelError> {
    let (mut pdf, mut numbers) = (Writer::new(), Numbers(0));
    let (catalog, tree, info) = (numbers.next(), numbers.next(), numbers.next());
    let fonts = Weight::ALL.map(|_| numbers.next());
    let mut letters = Weight::ALL.map(|_| Letters::default());
    let mut kids = Vec::with_capacity(pages.len());
    for page in pages {
        let (id, drawing) = (numbers.next(), numbers.next());
        kids.push(id);
        pdf.stream(drawing, &deflated(&drawn(page, &mut letters))?).filter(Filter::FlateDecode);
        let mut object = pdf.page(id);
        object.parent(tree).media_box(Rect::new(0.0, 0.0, page.width, page.height)).contents(drawing);
        let mut resources = object.resources();
        let mut named = resources.fonts();
        for (name, font) in FONT_NAMES.iter().zip(fonts) {
            named.pair(Name(name), font);
        }
    }
    pdf.pages(tree).count(i32::try_from(kids.len()).unwrap_or(i32::MAX)).kids(kids);
    for ((weight, font), letters) in Weight::ALL.into_iter().zip(fonts).zip(&letters) {
        embed(&mut pdf, &mut numbers, weight, font, letters)?;
    }
    let mut root = pdf.catalog(catalog);
    root.pages(tree).lang(TextStr("en-US"));
    // Labels are printed as large as they are.
    root.viewer_preferences().display_doc_title(true).pair(Name(b"PrintScaling"), Name(b"None"));
    root.finish();
    pdf.document_info(info).title(TextStr(title)).producer(TextStr("Nimbus"));
    Ok(Pdf(pdf.finish()))
}

/// The operators that draw a page.
fn drawn(page: &Page, letters: &mut [Letters; 2]) -> Vec<u8> {
    let mut content = Content::new();
    for mark in &page.marks {
        match mark {
            Mark::Bar { x, y, width, height } => {
                content.set_fill_gray(0.0).rect(*x, page.height - y - height, *width, *height).fill_nonzero();
            }
            Mark::Text { x, y, size, weight, ink, text } => {
                let places = text.chars().map(|letter| letters[*weight as usize].place(*weight, letter));
                let codes: Vec<u8> = places.flat_map(u16::to_be_bytes).collect();
                content.begin_text();
                content.set_fill_gray(if *ink == Ink::White { 1.0 } else { 0.0 });
                content.set_font(Name(FONT_NAMES[*weight as usize]), *size);
                content.set_text_matrix([1.0, 0.0, 0.0, 1.0, *x, page.height - y]);
                content.show(Str(&codes)).end_text();
            }
        }
    }
    content.finish().to_vec()
}

/// A face with the letters that the document has (ISO 32000-1, 9.7: a composite font, by glyph).
fn embed(
    pdf: &mut Writer,
    numbers: &mut Numbers,
    weight: Weight,
    font: Ref,
    letters: &Letters,
) -> Result<(), LabelError> {
    let (face, name) = (weight.face(), Name(BASE_NAMES[weight as usize]));
    let [descendant, descriptor, file, to_unicode] = std::array::from_fn(|_| numbers.next());
    pdf.type0_font(font)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(descendant)
        .to_unicode(to_unicode);
    let mut cid = pdf.cid_font(descendant);
    cid.subtype(CidFontType::Type2).base_font(name).system_info(ROMAN_IDENTITY);
    cid.font_descriptor(descriptor).default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = cid.widths();
    for (&place, &(_, width)) in &letters.used {
        widths.same(place, place, width);
    }
    widths.finish();
    cid.finish();
    let scaled = |units: i16| f32::from(units) * 1000.0 / f32::from(face.units_per_em());
    let bounds = face.global_bounding_box();
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(
            scaled(bounds.x_min),
            scaled(bounds.y_min),
            scaled(bounds.x_max),
            scaled(bounds.y_max),
        ))
        .italic_angle(0.0)
        .ascent(scaled(face.ascender()))
        .descent(scaled(face.descender()))
        .cap_height(scaled(face.capital_height().unwrap_or(face.ascender())))
        .stem_v(if weight == Weight::Bold { 140.0 } else { 80.0 })
        .font_file2(file);
    let subset = subsetter::subset(weight.file(), 0, &letters.places).map_err(|_| LabelError::Font)?;
    pdf.stream(file, &deflated(&subset)?).filter(Filter::FlateDecode);
    let mut names = UnicodeCmap::new(Name(b"Nimbus"), ROMAN_IDENTITY);
    letters.used.iter().for_each(|(&place, &(letter, _))| names.pair(place, letter));
    pdf.cmap(to_unicode, &deflated(&names.finish())?).filter(Filter::FlateDecode);
    Ok(())
}

fn deflated(bytes: &[u8]) -> Result<Vec<u8>, LabelError> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).map_err(|_| LabelError::Deflate)?;
    encoder.finish().map_err(|_| LabelError::Deflate)
}
