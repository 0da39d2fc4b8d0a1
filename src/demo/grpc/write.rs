//! Points as they stand in responses.

use crate::{
    demo::{
        hits::Hit,
        points::{Point, Selection},
    },
    wire::proto::write as fields,
};

/// Hits, each a `ScoredPoint` in the field `number`. As proto3 has it a score of 0 is not written, nor a version of 0,
/// which every point here has.
pub(super) fn hits(out: &mut Vec<u8>, number: u32, hits: &[Hit], selection: &Selection) {
    for (score, point) in hits {
        fields::message(out, number, |out| {
            id_and_payload(out, point, selection);
            if *score != 0.0 {
                fields::float(out, 3, *score);
            }
            vector(out, 6, point, selection);
        });
    }
}

/// A `RetrievedPoint` in the field `number`.
pub(super) fn point(out: &mut Vec<u8>, number: u32, point: &'static Point, selection: &Selection) {
    fields::message(out, number, |out| {
        id_and_payload(out, point, selection);
        vector(out, 4, point, selection);
    });
}

fn id_and_payload(out: &mut Vec<u8>, point: &'static Point, selection: &Selection) {
    const STRING: u32 = 4;
    fields::message(out, 1, |out| fields::unsigned(out, 1, point.passage.id));
    for (name, text) in selection.fields(point) {
        fields::message(out, 2, |out| {
            fields::bytes(out, 1, name.as_bytes());
            fields::message(out, 2, |out| fields::bytes(out, STRING, text.as_bytes()));
        });
    }
}

/// `VectorsOutput` with the one vector, which is dense.
fn vector(out: &mut Vec<u8>, number: u32, point: &'static Point, selection: &Selection) {
    const DENSE: u32 = 101;
    if let Some(vector) = selection.vector(point) {
        fields::message(out, number, |out| {
            fields::message(out, 1, |out| {
                fields::message(out, DENSE, |out| fields::floats(out, 1, vector));
            });
        });
    }
}
