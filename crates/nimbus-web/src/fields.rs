//! Reads a JSON object field by field and collects *every* field that cannot be accepted, by its JSON path.
//!
//! A reader is a function `fn(&mut Fields) -> Option<T>`: it first asks for every field, then builds its value
//! with `?`. No message repeats a value: it may be patient data.

use std::{borrow::Cow, ops::RangeInclusive};

use nimbus_app::{Error, FieldError};
use serde_json::{Map, Value};

/// What a check answers: the value read, or a fragment such as `must be a date`.
pub(crate) type Checked<T> = Result<T, Cow<'static, str>>;

/// Unknown names longer than this are not suggested or named.
const MAX_SHOWN_NAME: usize = 64;
/// At most so many unknown fields are named.
const MAX_SHOWN_UNKNOWN: usize = 10;
/// How much alike (0 to 1) a missing field and an unknown one must be for a suggestion.
const ALIKE: f64 = 0.75;

/// One object that is being read.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    /// The path of the object, with the dot that joins a field's name to it; empty at the top.
    path: String,
    asked: Vec<&'static str>,
    /// Positions in `errors` of fields that are missing.
    missing: Vec<(usize, &'static str)>,
    errors: Vec<FieldError>,
    warnings: Vec<String>,
}

/// Reads a whole document, or tells all that is wrong with it.
pub(crate) fn read<T>(
    document: &Value,
    reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, Error> {
    let Value::Object(object) = document else {
        return Err(Error::unreadable("$", "The body must be a JSON object."));
    };
    let mut fields = Fields::new(object, String::new());
    let value = reader(&mut fields);
    fields.close();
    match value {
        Some(value) if fields.errors.is_empty() => Ok(value),
        _ if fields.errors.is_empty() => Err(Error::unreadable("$", "The body is not complete.")),
        _ => {
            let unknown = fields.unknown_fields();
            fields.errors.extend(unknown);
            Err(Error::Invalid(fields.errors))
        }
    }
}

/// The same of a query. A name that is one of ours in another spelling is refused: a filter that is not applied
/// answers more than was asked for.
pub(crate) fn read_query<T>(
    query: &Map<String, Value>,
    reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<T, Error> {
    let mut asked = Vec::new();
    let value = read(&Value::Object(query.clone()), |fields| {
        let value = reader(fields);
        asked.clone_from(&fields.asked);
        value
    })?;
    let misspelt = query.keys().filter(|sent| !asked.contains(&sent.as_str())).filter_map(|sent| {
        let meant = asked.iter().find(|name| plain(name) == plain(sent))?;
        Some(FieldError::new(*meant, format!("is spelt `{meant}`")))
    });
    match misspelt.collect::<Vec<_>>() {
        none if none.is_empty() => Ok(value),
        errors => Err(Error::Invalid(errors)),
    }
}

impl<'a> Fields<'a> {
    const fn new(object: &'a Map<String, Value>, path: String) -> Self {
        Self {
            object,
            path,
            asked: Vec::new(),
            missing: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The value of a field; `null` is absent.
    fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.raw(name).filter(|value| !value.is_null())
    }

    fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.asked.push(name);
        self.object.get(name)
    }

    /// Whether a field was sent, and not as `null` or an empty text.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null() && !is_empty(value))
    }

    /// Refuses a field of this object.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<Cow<'static, str>>) {
        let field = format!("{}{name}", self.path);
        self.errors.push(FieldError::new(field, message.into()));
    }

    /// Something that the caller should know although the request is accepted.
    pub(crate) fn warn(&mut self, name: &str, message: &str) {
        self.warnings.push(format!("{}{name}: {message}", self.path));
    }

    /// The warnings so far, of nested objects too.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    fn lack(&mut self, name: &'static str) {
        self.missing.push((self.errors.len(), name));
        self.refuse(name, "is required");
    }

    fn checked<T>(
        &mut self,
        name: &str,
        value: &Value,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<T> {
        match check(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.refuse(name, message);
                None
            }
        }
    }

    /// A field that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<T> {
        self.required_if(true, name, check)
    }

    /// A field that must be there in some cases, and may be left out, `null` or an empty text in the others.
    pub(crate) fn required_if<T>(
        &mut self,
        needed: bool,
        name: &'static str,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<T> {
        match self.value(name).filter(|value| needed || !is_empty(value)) {
            Some(value) => self.checked(name, value, check),
            None if needed => {
                self.lack(name);
                None
            }
            None => None,
        }
    }

    /// A field that may be left out, `null` or an empty text.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<T> {
        self.required_if(false, name, check)
    }

    /// A field of a PATCH: `None` leaves it, and `null` is refused.
    pub(crate) fn change<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<T> {
        match self.raw(name)? {
            Value::Null => {
                self.refuse(name, "cannot be removed");
                None
            }
            value => self.checked(name, value, check),
        }
    }

    /// A field of a PATCH that `null`, or an empty text, clears.
    pub(crate) fn clearable<T>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(&Value) -> Checked<T>,
    ) -> Option<Option<T>> {
        match self.raw(name)? {
            Value::Null => Some(None),
            value if is_empty(value) => Some(None),
            value => self.checked(name, value, check).map(Some),
        }
    }

    /// Whether a field was sent as `null`.
    pub(crate) fn is_null(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// Marks a field as read that was sent as `null`, and answers what that makes of it.
    pub(crate) fn cleared<T>(&mut self, name: &'static str, value: T) -> Option<T> {
        self.asked.push(name);
        Some(value)
    }

    /// A nested object that may be left out.
    pub(crate) fn object<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        self.nested(name, value, reader)
    }

    /// A nested object that must be there.
    pub(crate) fn required_object<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.value(name) {
            Some(value) => self.nested(name, value, reader),
            None => {
                self.lack(name);
                None
            }
        }
    }

    fn nested<T>(
        &mut self,
        name: &str,
        value: &Value,
        reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(object) = value else {
            self.refuse(name, "must be an object");
            return None;
        };
        let mut inner = Fields::new(object, format!("{}{name}.", self.path));
        let read = reader(&mut inner);
        inner.close();
        self.errors.append(&mut inner.errors);
        self.warnings.append(&mut inner.warnings);
        read
    }

    /// A list of objects; `None` if it is absent or one of them was refused.
    pub(crate) fn objects<T>(
        &mut self,
        needed: bool,
        name: &'static str,
        range: RangeInclusive<usize>,
        mut reader: impl FnMut(&mut Fields<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(needed, name, range)?;
        let each = items.iter().enumerate();
        let read: Vec<Option<T>> =
            each.map(|(i, item)| self.nested(&format!("{name}[{i}]"), item, &mut reader)).collect();
        read.into_iter().collect()
    }

    /// A nested object, if there is one: anything else is passed over.
    pub(crate) fn object_if_any<T>(
        &mut self,
        name: &'static str,
        reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name).filter(|value| value.is_object())?;
        self.nested(name, value, reader)
    }

    /// The objects of a list, if there is one: anything else in its place or among them is passed over, and so is
    /// what the reader refuses.
    pub(crate) fn objects_among<T>(
        &mut self,
        name: &'static str,
        mut reader: impl FnMut(&mut Fields<'_>) -> Option<T>,
    ) -> Vec<T> {
        let items = self.value(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let objects = items.iter().enumerate().filter(|(_, item)| item.is_object());
        objects.filter_map(|(i, item)| self.nested(&format!("{name}[{i}]"), item, &mut reader)).collect()
    }

    /// A list of plain values; `None` if it is absent or one of them was refused.
    pub(crate) fn values<T>(
        &mut self,
        needed: bool,
        name: &'static str,
        range: RangeInclusive<usize>,
        check: impl Fn(&Value) -> Checked<T>,
    ) -> Option<Vec<T>> {
        let items = self.items(needed, name, range)?;
        let each = items.iter().enumerate();
        let read: Vec<Option<T>> =
            each.map(|(i, item)| self.checked(&format!("{name}[{i}]"), item, &check)).collect();
        read.into_iter().collect()
    }

    fn items(
        &mut self,
        needed: bool,
        name: &'static str,
        range: RangeInclusive<usize>,
    ) -> Option<&'a [Value]> {
        match self.value(name) {
            Some(Value::Array(items)) if range.contains(&items.len()) => Some(items),
            Some(Value::Array(_)) if range.start() == range.end() => {
                self.refuse(name, format!("must have exactly {}", range.start()));
                None
            }
            Some(Value::Array(_)) => {
                self.refuse(name, format!("must have {} to {}", range.start(), range.end()));
                None
            }
            Some(_) => {
                self.refuse(name, "must be a list");
                None
            }
            None if needed => {
                self.lack(name);
                None
            }
            None => None,
        }
    }

    /// Names the likely field where a required one is missing and a similar unknown one is there.
    fn close(&mut self) {
        for (position, name) in std::mem::take(&mut self.missing) {
            let alike = |other: &&str| (likeness(name, other) * 1000.0) as u32;
            if let Some(other) =
                self.unknown().filter(|other| likeness(name, other) >= ALIKE).max_by_key(alike)
            {
                self.errors[position].message = format!("is required; did you mean it by `{other}`?");
            }
        }
    }

    /// The names of this object that nobody asked for and that can be shown.
    fn unknown(&self) -> impl Iterator<Item = &'a str> + use<'a, '_> {
        let shown = |name: &str| {
            name.len() <= MAX_SHOWN_NAME
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        let object: &'a Map<String, Value> = self.object;
        object.keys().map(String::as_str).filter(move |name| shown(name) && !self.asked.contains(name))
    }

    fn unknown_fields(&self) -> Vec<FieldError> {
        let unknown = self.unknown().take(MAX_SHOWN_UNKNOWN);
        unknown.map(|name| FieldError::new(name, "is unknown and was ignored")).collect()
    }

    /// Every name that the reader asked for, in its order.
    #[cfg(test)]
    pub(crate) fn asked_by<T>(reader: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Vec<&'static str> {
        let object = Map::new();
        let mut fields = Fields::new(&object, String::new());
        let _ = reader(&mut fields);
        fields.asked
    }
}

/// An empty text: what forms send for a field that nobody filled in.
fn is_empty(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// A name without letter case and separators.
fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', '-'], "")
}

/// How much alike two names are, from 0 to 1, letter case and separators apart.
fn likeness(wanted: &str, sent: &str) -> f64 {
    let (wanted, sent) = (plain(wanted), plain(sent));
    match wanted == sent {
        true => 1.0,
        false if sent.starts_with(&wanted) || wanted.starts_with(&sent) && sent.len() > 2 => 0.9,
        false => strsim::normalized_damerau_levenshtein(&wanted, &sent),
    }
}

/// Checks that a request's schema has the very fields that its reader asks for.
#[cfg(test)]
pub(crate) fn assert_described<S: utoipa::PartialSchema, T>(
    reader: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) {
    let schema = serde_json::to_value(S::schema()).unwrap();
    let mut described: Vec<&str> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut asked = Fields::asked_by(reader);
    described.sort_unstable();
    asked.sort_unstable();
    assert_eq!(described, asked);
}

#[cfg(test)]
mod tests;
