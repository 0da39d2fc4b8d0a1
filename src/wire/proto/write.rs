//! Fields written: each function adds one to `out`. Those of the value that proto3 leaves out are written all the same.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A varint alone, in as few bytes as it takes.
pub fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes such a varint has.
pub fn varint_length(number: u64) -> usize {
    let bits = 64 - (number | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// A field with a `uint64` or another number that is not negative.
pub fn unsigned(out: &mut Vec<u8>, number: u32, value: u64) {
    tag(out, number, VARINT);
    varint(out, value);
}

/// A field with an `int64` or an enum.
pub fn signed(out: &mut Vec<u8>, number: u32, value: i64) {
    unsigned(out, number, value.cast_unsigned());
}

/// A field with a `bool`.
pub fn boolean(out: &mut Vec<u8>, number: u32, value: bool) {
    unsigned(out, number, u64::from(value));
}

/// A field with a `float`.
pub fn float(out: &mut Vec<u8>, number: u32, value: f32) {
    tag(out, number, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field with a `double`.
pub fn double(out: &mut Vec<u8>, number: u32, value: f64) {
    tag(out, number, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

/// A field with a string, bytes or a message that has been written already.
pub fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    tag(out, number, BYTES);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// A field with a message that `fields` writes.
pub fn message(out: &mut Vec<u8>, number: u32, fields: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fields(&mut inner);
    bytes(out, number, &inner);
}

/// A field with a list of `float`, packed.
pub fn floats(out: &mut Vec<u8>, number: u32, values: &[f32]) {
    tag(out, number, BYTES);
    varint(out, values.len() as u64 * 4);
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn tag(out: &mut Vec<u8>, number: u32, wire: u64) {
    varint(out, u64::from(number) << 3 | wire);
}
