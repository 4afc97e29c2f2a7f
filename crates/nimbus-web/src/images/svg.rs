//! SVG that draws and does nothing else: well-formed, no script or event handler, nothing fetched, no entity.
//!
//! Elements of SVG are those of a list; what other vocabularies add (editors do) draws nothing and stays, unless a
//! browser would run or lay it out. A strict policy goes out with the image all the same.

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesDecl, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use super::Checked;

const SVG: &str = "http://www.w3.org/2000/svg";
/// Vocabularies that browsers give life to.
const LIVE: [&str; 3] = [
    "http://www.w3.org/1999/xhtml",
    "http://www.w3.org/1998/Math/MathML",
    "http://www.w3.org/2001/xml-events",
];
/// What SVG may consist of; elements of filters (`fe…`) besides.
const DRAWING: [&str; 27] = [
    "svg",
    "g",
    "defs",
    "title",
    "desc",
    "metadata",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "textPath",
    "style",
    "linearGradient",
    "radialGradient",
    "stop",
    "clipPath",
    "mask",
    "pattern",
    "symbol",
    "use",
    "image",
    "filter",
];
/// Pictures that may be inside.
const EMBEDDED: [&str; 2] = ["data:image/png;base64,", "data:image/jpeg;base64,"];
/// Elements inside one another.
const MAX_DEPTH: usize = 64;

const NOT_XML: &str = "The SVG is not well-formed XML.";
const NOT_SVG: &str = "The root of the document is not svg in the namespace of SVG.";
const ACTIVE: &str = "The SVG has an element other than those that draw, such as script or foreignObject.";
const HANDLER: &str = "The SVG has an event handler.";
const EXTERNAL: &str = "The SVG refers to something outside of itself.";
const ENTITY: &str = "The SVG declares or uses entities or processing instructions.";
const TOO_DEEP: &str = "The SVG is nested too deeply.";

/// Whether the bytes are such a document.
pub(super) fn check(image: &[u8]) -> Checked {
    let text = std::str::from_utf8(image).map_err(|_| "The SVG is not UTF-8.")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let forbidden = |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    if text.contains(forbidden) {
        return Err(NOT_XML);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().check_comments = true;
    Document::default().read(&mut reader)
}

/// How far the reading of a document is.
#[derive(Default)]
struct Document {
    depth: usize,
    has_root: bool,
    /// Something has been read: a declaration comes first or not at all.
    begun: bool,
    in_style: bool,
    style: String,
}

impl Document {
    fn read(mut self, reader: &mut NsReader<&[u8]>) -> Checked {
        loop {
            let event = reader.read_event().map_err(|_| NOT_XML)?;
            match event {
                // What is inside a style is text, to the end of it.
                Event::Start(_) | Event::Empty(_) if self.in_style => return Err(ACTIVE),
                Event::Start(start) => {
                    self.element(reader, &start)?;
                    self.in_style = start.local_name().as_ref() == b"style";
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(TOO_DEEP);
                    }
                }
                Event::Empty(start) => self.element(reader, &start)?,
                Event::End(_) => {
                    self.in_style = false;
                    self.depth -= 1;
                    style(&std::mem::take(&mut self.style))?;
                }
                Event::Text(text) => self.text(&text.decode().map_err(|_| NOT_XML)?)?,
                Event::CData(text) if self.depth > 0 => self.text(&text.decode().map_err(|_| NOT_XML)?)?,
                Event::CData(_) => return Err(NOT_XML),
                // A reference in a style could spell what is looked for there.
                Event::GeneralRef(_) if self.in_style || self.depth == 0 => return Err(ENTITY),
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(|_| NOT_XML)?;
                    let known = quick_xml::escape::resolve_predefined_entity(&name).is_some();
                    if !known && !matches!(reference.resolve_char_ref(), Ok(Some(_))) {
                        return Err(ENTITY);
                    }
                }
                Event::Comment(_) => {}
                Event::Decl(declaration) if !self.begun => utf8(&declaration)?,
                Event::Decl(_) => return Err(NOT_XML),
                Event::PI(_) | Event::DocType(_) => return Err(ENTITY),
                Event::Eof if self.has_root && self.depth == 0 => return Ok(()),
                Event::Eof => return Err(if self.has_root { NOT_XML } else { NOT_SVG }),
            }
            self.begun = true;
        }
    }

    fn element(&mut self, reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Checked {
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let name = std::str::from_utf8(local.into_inner()).map_err(|_| NOT_XML)?;
        let is_svg = matches!(namespace, ResolveResult::Bound(Namespace(uri)) if uri == SVG.as_bytes());
        if self.depth == 0 && (self.has_root || !is_svg || name != "svg") {
            return Err(if self.has_root { NOT_XML } else { NOT_SVG });
        }
        self.has_root = true;
        let live = match namespace {
            ResolveResult::Bound(Namespace(uri)) => LIVE.iter().any(|live| live.as_bytes() == uri),
            ResolveResult::Unbound => false,
            ResolveResult::Unknown(_) => return Err(NOT_XML),
        };
        let draws = DRAWING.contains(&name) || name.starts_with("fe");
        let named_alive = ["script", "foreignobject", "iframe", "embed", "object", "handler", "listener"]
            .contains(&name.to_ascii_lowercase().as_str());
        match is_svg {
            true if !draws => return Err(ACTIVE),
            false if live || named_alive => return Err(ACTIVE),
            _ if !is_name(name) => return Err(NOT_XML),
            _ => {}
        }
        attributes(start)
    }

    fn text(&mut self, text: &str) -> Checked {
        if self.in_style {
            self.style.push_str(text);
        }
        let outside = self.depth == 0 && !text.trim_ascii().is_empty();
        if outside || text.contains("]]>") { Err(NOT_XML) } else { Ok(()) }
    }
}

fn attributes(start: &BytesStart<'_>) -> Checked {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| NOT_XML)?;
        let key = std::str::from_utf8(attribute.key.into_inner()).map_err(|_| NOT_XML)?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|_| ENTITY)?;
        let local = key.rsplit(':').next().unwrap_or(key).to_ascii_lowercase();
        if !key.split(':').all(is_name) || value.contains('<') && attribute.value.contains(&b'<') {
            return Err(NOT_XML);
        }
        if local.starts_with("on") {
            return Err(HANDLER);
        }
        match local.as_str() {
            "href" | "src" => link(&value)?,
            "style" => style(&value)?,
            "base" if key != "base" => return Err(EXTERNAL),
            _ if key == "xmlns" || key.starts_with("xmlns:") => {}
            // Presentation attributes are CSS as well, in which an escape could spell what is looked for.
            _ if !key.contains(':') && value.contains('\\') => return Err(EXTERNAL),
            _ => urls(&value.to_ascii_lowercase())?,
        }
    }
    Ok(())
}

/// A link leads to a part of the document, or is a picture itself.
fn link(value: &str) -> Checked {
    let value = value.trim();
    let embedded =
        |start: &&str| value.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
    if value.is_empty() || value.starts_with('#') || EMBEDDED.iter().any(embedded) {
        Ok(())
    } else {
        Err(EXTERNAL)
    }
}

/// Nothing in a style is fetched, however it is written: escapes could spell it.
fn style(css: &str) -> Checked {
    let css = css.to_ascii_lowercase();
    let fetches = ["\\", "@import", "//", "data:", "image-set", "src("];
    if fetches.iter().any(|sign| css.contains(sign)) { Err(EXTERNAL) } else { urls(&css) }
}

/// Every `url(…)` names a part of the document. `text` is in lower case.
fn urls(text: &str) -> Checked {
    let inside = |rest: &str| rest.trim_start_matches([' ', '\t', '\n', '\r', '"', '\'']).starts_with('#');
    let outside = text.split("url(").skip(1).any(|rest| !inside(rest)) || text.contains("javascript:");
    if outside { Err(EXTERNAL) } else { Ok(()) }
}

/// A name without a colon, as far as SVG and its editors use them.
fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || "_-.".contains(c))
}

/// The declaration of a document that is UTF-8.
fn utf8(declaration: &BytesDecl<'_>) -> Checked {
    declaration.version().map_err(|_| NOT_XML)?;
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if name.eq_ignore_ascii_case(b"utf-8") => Ok(()),
        Some(_) => Err("The SVG is not UTF-8."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(inside: &str) -> String {
        format!(
            "<svg xmlns=\"{SVG}\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"9\">{inside}</svg>"
        )
    }

    #[test]
    fn drawings_pass() {
        for inside in [
            "<path d=\"M0 0 L9 9\" stroke=\"#000\"/>",
            "<g style=\"fill: url(#a)\"><title>A &amp; B &#169;</title></g>",
            "<style>path { stroke: blue; fill: url( '#g' ) }</style><!-- by hand -->",
            "<image href=\"data:image/png;base64,AAAA\"/><use xlink:href=\"#p\"/>",
            "<metadata><r:RDF xmlns:r=\"urn:r\"><r:a r:resource=\"https://example.com/\"/></r:RDF></metadata>",
            "<filter id=\"f\"><feGaussianBlur stdDeviation=\"1\"/></filter>",
            "<text><![CDATA[a < b]]></text>",
        ] {
            assert_eq!(check(drawn(inside).as_bytes()), Ok(()), "{inside}");
        }
        let declared = format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", drawn(""));
        assert_eq!(check(declared.as_bytes()), Ok(()));
        let prefixed = format!("<s:svg xmlns:s=\"{SVG}\"><s:path d=\"M0 0\"/></s:svg>");
        assert_eq!(check(prefixed.as_bytes()), Ok(()));
    }

    #[test]
    fn what_acts_or_fetches_is_refused() {
        for (inside, why) in [
            ("<script>alert(1)</script>", ACTIVE),
            ("<foreignObject/>", ACTIVE),
            ("<a href=\"#x\"/>", ACTIVE),
            ("<animate attributeName=\"href\" to=\"#\"/>", ACTIVE),
            ("<set attributeName=\"onload\"/>", ACTIVE),
            ("<h:script xmlns:h=\"http://www.w3.org/1999/xhtml\"/>", ACTIVE),
            ("<body xmlns=\"http://www.w3.org/1999/xhtml\"/>", ACTIVE),
            ("<x:SCRIPT xmlns:x=\"urn:x\"/>", ACTIVE),
            ("<path onload=\"x()\"/>", HANDLER),
            ("<path ONCLICK=\"x()\"/>", HANDLER),
            ("<use href=\"https://example.com/#a\"/>", EXTERNAL),
            ("<use xlink:href=\"other.svg#a\"/>", EXTERNAL),
            ("<image href=\"data:image/svg+xml;base64,AAAA\"/>", EXTERNAL),
            ("<image href=\"java&#115;cript:x()\"/>", EXTERNAL),
            ("<path fill=\"url(https://example.com/#a)\"/>", EXTERNAL),
            ("<path style=\"fill:url(//example.com)\"/>", EXTERNAL),
            ("<path style=\"fill:u\\72l(x)\"/>", EXTERNAL),
            ("<path fill=\"u\\72l(https://example.com/#a)\"/>", EXTERNAL),
            ("<style><g/>@import 'x.css';</style>", ACTIVE),
            ("<style>a {}<g></g>@import 'x.css';</style>", ACTIVE),
            ("<style>@import 'x.css';</style>", EXTERNAL),
            ("<style><![CDATA[@im]]><![CDATA[port 'x']]></style>", EXTERNAL),
            ("<style>&#x40;import</style>", ENTITY),
            ("<g xml:base=\"https://example.com/\"/>", EXTERNAL),
            ("&nbsp;", ENTITY),
            ("<path d=\"&x;\"/>", ENTITY),
            ("<?xml-stylesheet href=\"x.css\"?>", ENTITY),
            ("<path d=\"M0 0\">", NOT_XML),
            ("<path d=\"1\" d=\"2\"/>", NOT_XML),
            ("<x:path/>", NOT_XML),
            ("a\u{0}b", NOT_XML),
        ] {
            assert_eq!(check(drawn(inside).as_bytes()), Err(why), "{inside}");
        }
    }

    #[test]
    fn other_documents_are_refused() {
        let entity = format!("<!DOCTYPE svg [<!ENTITY a \"b\">]>{}", drawn(""));
        assert_eq!(check(entity.as_bytes()), Err(ENTITY));
        for (document, why) in [
            ("", NOT_SVG),
            ("plain text", NOT_XML),
            ("<svg/>", NOT_SVG),
            ("<html xmlns=\"http://www.w3.org/1999/xhtml\"/>", NOT_SVG),
        ] {
            assert_eq!(check(document.as_bytes()), Err(why), "{document}");
        }
        for outside in [format!("{0}{0}", drawn("")), format!("{}x", drawn("")), drawn("")[..40].to_owned()] {
            assert!(check(outside.as_bytes()).is_err(), "{outside}");
        }
        let latin = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{}", drawn(""));
        assert!(check(latin.as_bytes()).is_err() && check(b"<svg>\xff</svg>").is_err());
        let deep = format!("{}{}", "<g>".repeat(MAX_DEPTH), "</g>".repeat(MAX_DEPTH));
        assert_eq!(check(drawn(&deep).as_bytes()), Err(TOO_DEEP));
    }
}
