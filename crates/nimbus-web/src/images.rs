//! Images that partners send: whether the bytes are what their type says, and fit to be shown in a browser.

mod svg;

use nimbus_core::practitioner::ImageKind;

/// The first bytes of every PNG (W3C PNG, 5.2).
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The widest and highest PNG that is taken, in pixels: a small file may not unpack into gigabytes.
const MAX_PIXELS: u32 = 8192;

/// Why an image is refused: a sentence that repeats nothing of it.
pub(crate) type Checked = Result<(), &'static str>;

/// Whether the bytes are such an image.
pub(crate) fn check(kind: ImageKind, image: &[u8]) -> Checked {
    match kind {
        ImageKind::Png => png(image),
        ImageKind::Svg => svg::check(image),
    }
}

/// A PNG as far as its chunks tell: a header that makes sense, data, an end, and nothing behind it.
fn png(image: &[u8]) -> Checked {
    const BROKEN: &str = "The body is not a whole PNG.";
    let mut rest = image.strip_prefix(PNG_SIGNATURE).ok_or("The body does not begin as a PNG does.")?;
    let (name, header) = chunk(&mut rest).ok_or(BROKEN)?;
    if name != *b"IHDR" || !is_header(header) {
        return Err("The header of the PNG makes no sense.");
    }
    let mut has_data = false;
    loop {
        match chunk(&mut rest).ok_or(BROKEN)? {
            (name, data) if name == *b"IEND" => {
                return if has_data && data.is_empty() && rest.is_empty() { Ok(()) } else { Err(BROKEN) };
            }
            (name, _) if name == *b"IHDR" => return Err(BROKEN),
            (name, data) => has_data |= name == *b"IDAT" && !data.is_empty(),
        }
    }
}

/// Takes the next chunk: its length, name, data and a check sum, which viewers look at.
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<([u8; 4], &'a [u8])> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (name, after) = after.split_first_chunk::<4>()?;
    let (data, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (_sum, after) = after.split_first_chunk::<4>()?;
    *rest = after;
    Some((*name, data))
}

/// Size, and a combination of colour type and bit depth that there is (W3C PNG, 11.2.1).
fn is_header(header: &[u8]) -> bool {
    let Some((width, rest)) = header.split_first_chunk::<4>() else { return false };
    let Some((height, rest)) = rest.split_first_chunk::<4>() else { return false };
    let &[depth, colour, compression, filter, interlace] = rest else { return false };
    let sized = [width, height].iter().all(|side| (1..=MAX_PIXELS).contains(&u32::from_be_bytes(**side)));
    let depths: &[u8] = match colour {
        0 => &[1, 2, 4, 8, 16],
        3 => &[1, 2, 4, 8],
        2 | 4 | 6 => &[8, 16],
        _ => &[],
    };
    sized && depths.contains(&depth) && compression == 0 && filter == 0 && interlace <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        [&u32::try_from(data.len()).unwrap().to_be_bytes(), &name[..], data, &[0; 4]].concat()
    }

    fn header(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
        piece(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat())
    }

    fn image(pieces: &[Vec<u8>]) -> Vec<u8> {
        [PNG_SIGNATURE, &pieces.concat()].concat()
    }

    #[test]
    fn a_png_is_told_by_its_chunks() {
        let (data, end) = (piece(b"IDAT", b"x"), piece(b"IEND", b""));
        let good = header(300, 80, [8, 6, 0, 0, 0]);
        assert_eq!(png(&image(&[good.clone(), data.clone(), end.clone()])), Ok(()));
        assert_eq!(png(&image(&[good.clone(), piece(b"tEXt", b"k"), data.clone(), end.clone()])), Ok(()));
        for wrong in [
            vec![good.clone(), end.clone()],
            vec![good.clone(), data.clone()],
            vec![data.clone(), good.clone(), end.clone()],
            vec![good.clone(), data.clone(), end.clone(), b"<script>".to_vec()],
            vec![good.clone(), good.clone(), data.clone(), end.clone()],
            vec![good, data.clone(), vec![0xff; 12], end.clone()],
            vec![header(0, 80, [8, 6, 0, 0, 0]), data.clone(), end.clone()],
            vec![header(100_000, 80, [8, 6, 0, 0, 0]), data.clone(), end.clone()],
            vec![header(300, 80, [4, 6, 0, 0, 0]), data.clone(), end.clone()],
            vec![header(300, 80, [8, 5, 0, 0, 0]), data.clone(), end.clone()],
            vec![header(300, 80, [8, 6, 0, 0, 2]), data, end],
        ] {
            assert!(png(&image(&wrong)).is_err(), "{wrong:?}");
        }
        assert!(png(b"").is_err() && png(b"GIF89a").is_err() && png(PNG_SIGNATURE).is_err());
    }
}
