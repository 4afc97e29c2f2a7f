//! What readers collect: every failing field, by path, with suggestions.

use serde_json::json;

use super::*;
use crate::checks::{boolean, count, text};

#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    refills: u32,
}

fn line(f: &mut Fields<'_>) -> Option<Line> {
    let name = f.required("name", text(1..=5));
    let refills = f.optional("refills", count(0..=99)).unwrap_or(0);
    Some(Line { name: name?, refills })
}

fn errors<T: std::fmt::Debug>(read: Result<T, Error>) -> Vec<(String, String)> {
    match read {
        Err(Error::Invalid(fields)) => fields.into_iter().map(|f| (f.field, f.message)).collect(),
        other => panic!("{other:?}"),
    }
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(field, message)| ((*field).to_owned(), (*message).to_owned())).collect()
}

#[test]
fn all_failing_fields_are_named_by_path() {
    let document =
        json!({"lines": [{"name": "a"}, {"name": "too long", "refills": 100}, 3], "urgent": "yes"});
    let read = read(&document, |f| {
        let lines = f.objects(true, "lines", 1..=25, line);
        let urgent = f.required("urgent", boolean);
        let id = f.required("id", text(1..=5));
        Some((lines?, urgent?, id?))
    });
    assert_eq!(
        errors(read),
        pairs(&[
            ("lines[1].name", "must have 1 to 5 characters"),
            ("lines[1].refills", "must be a whole number from 0 to 99"),
            ("lines[2]", "must be an object"),
            ("urgent", "must be true or false"),
            ("id", "is required"),
        ])
    );
}

#[test]
fn a_likely_name_is_suggested() {
    for (wanted, sent) in [
        ("npi", "npi_number"),
        ("first_name", "firstName"),
        ("clinic_id", "clinc_id"),
        ("medication_requests", "medication_request"),
    ] {
        let document = json!({ sent: "x" });
        let found = errors(read(&document, |f| f.required(wanted, text(1..=5))));
        assert_eq!(found[0].1, format!("is required; did you mean it by `{sent}`?"));
        assert_eq!(found[1], (sent.to_owned(), "is unknown and was ignored".to_owned()));
    }
    let unlike = errors(read(&json!({"zebra": 1}), |f| f.required("npi", text(1..=5))));
    assert_eq!(unlike[0].1, "is required");
}

#[test]
fn null_is_absent_and_clears_in_a_change() {
    let document = json!({"a": null, "b": null, "c": "x"});
    let read_optional = read(&document, |f| Some(f.optional("a", text(1..=5))));
    assert_eq!(read_optional.unwrap(), None);
    let cleared = read(&document, |f| Some((f.clearable("b", text(1..=5)), f.clearable("c", text(1..=5)))));
    assert_eq!(cleared.unwrap(), (Some(None), Some(Some("x".to_owned()))));
    assert_eq!(read(&document, |f| Some(f.clearable("d", text(1..=5)))).unwrap(), None);
    assert_eq!(
        errors(read(&document, |f| Some(f.change("b", text(1..=5))))),
        pairs(&[
            ("b", "cannot be removed"),
            ("a", "is unknown and was ignored"),
            ("c", "is unknown and was ignored")
        ])
    );
}

#[test]
fn lists_have_bounds() {
    let two = json!({"addresses": [{}, {}]});
    let read_two = read(&two, |f| f.objects(true, "addresses", 1..=1, line));
    assert_eq!(errors(read_two), pairs(&[("addresses", "must have exactly 1")]));
    let values = read(&json!({"a": ["x", ""]}), |f| f.values(true, "a", 0..=5, text(1..=5)));
    assert_eq!(errors(values), pairs(&[("a[1]", "must have 1 to 5 characters")]));
}

#[test]
fn only_objects_are_read() {
    assert_eq!(errors(read(&json!([1]), line)), pairs(&[("$", "The body must be a JSON object.")]));
}

#[test]
fn what_is_good_is_read() {
    assert_eq!(
        read(&json!({"name": " ab ", "refills": "3"}), line).unwrap(),
        Line { name: "ab".to_owned(), refills: 3 }
    );
}
