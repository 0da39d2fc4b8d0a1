use prost::Message as _;

use super::*;

/// A message that knows no field: prost passes by all of them, and rejects what is malformed.
#[derive(Clone, PartialEq, prost::Message)]
struct Nothing {}

/// The same for one with fields of every wire type.
#[derive(Clone, PartialEq, prost::Message)]
struct Known {
    #[prost(uint64, optional, tag = "1")]
    unsigned: Option<u64>,
    #[prost(int64, optional, tag = "2")]
    signed: Option<i64>,
    #[prost(bool, optional, tag = "3")]
    truth: Option<bool>,
    #[prost(float, optional, tag = "4")]
    float: Option<f32>,
    #[prost(double, optional, tag = "5")]
    double: Option<f64>,
    #[prost(string, optional, tag = "6")]
    text: Option<String>,
    #[prost(message, optional, tag = "7")]
    inner: Option<Box<Known>>,
    #[prost(float, repeated, tag = "8")]
    packed: Vec<f32>,
    #[prost(float, repeated, packed = "false", tag = "2000")]
    unpacked: Vec<f32>,
}

/// Reads one with this scanner.
fn known(message: Message<'_>) -> Result<Known, Malformed> {
    let mut known = Known::default();
    for field in message.fields() {
        let field = field?;
        match field.number {
            1 => known.unsigned = Some(field.unsigned()?),
            2 => known.signed = Some(field.signed()?),
            3 => known.truth = Some(field.boolean()?),
            4 => known.float = Some(field.float()?),
            5 => known.double = Some(field.double()?),
            6 => known.text = Some(field.text()?.to_owned()),
            7 => known.inner = Some(Box::new(self::known(field.message()?)?)),
            _ => {}
        }
    }
    known.packed = message.floats(8, usize::MAX)?;
    known.unpacked = message.floats(2000, usize::MAX)?;
    Ok(known)
}

fn known_strategy() -> impl Strategy<Value = Known> {
    let floats = || prop::collection::vec(any::<f32>(), 0..6);
    let flat = (
        any::<(Option<u64>, Option<i64>, Option<bool>, Option<f32>, Option<f64>, Option<String>)>(),
        (floats(), floats()),
    );
    let flat = flat.prop_map(|((unsigned, signed, truth, float, double, text), (packed, unpacked))| Known {
        unsigned,
        signed,
        truth,
        float,
        double,
        text,
        inner: None,
        packed,
        unpacked,
    });
    flat.prop_recursive(3, 4, 1, move |inner| {
        inner.prop_map(|inner| Known { inner: Some(Box::new(inner.clone())), ..inner })
    })
}

fn is_well_formed(bytes: &[u8]) -> bool {
    Message::new(bytes).fields().all(|field| field.is_ok())
}

/// Bytes that are nearly a message: the written form of one with some bytes changed, or cut off.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (fields(), prop::collection::vec(change, 0..4), any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(fields, changes, end, cut)| {
            let mut bytes = written(&fields);
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            if cut {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn what_was_written_is_scanned_as_it_was(fields in fields()) {
        let bytes = written(&fields);
        prop_assert_eq!(read_as(&fields, Message::new(&bytes)), Ok(fields));
    }

    #[test]
    fn every_field_stands_where_it_says(fields in fields(), before in prop::collection::vec(any::<u8>(), 0..9)) {
        let body = [before.clone(), written(&fields)].concat();
        let message = Message::within(&body, before.len()..body.len()).unwrap();
        let mut at = before.len();
        for field in message.fields() {
            let field = field.unwrap();
            prop_assert_eq!(field.span().start, at);
            at = field.span().end;
            if let Content::Bytes(bytes) = field.content {
                prop_assert_eq!(&body[field.content_span()], bytes);
                prop_assert_eq!(field.message().unwrap().span(), field.content_span());
            }
        }
        prop_assert_eq!(at, body.len());
    }

    #[test]
    fn prost_and_the_scanner_accept_the_same_bytes(nearly in nearly(), random in prop::collection::vec(any::<u8>(), 0..24)) {
        for bytes in [nearly, random] {
            prop_assert_eq!(Nothing::decode(&bytes[..]).is_ok(), is_well_formed(&bytes), "{:?}", bytes);
        }
    }

    #[test]
    fn what_prost_writes_is_read_and_what_is_written_here_prost_reads(known in known_strategy()) {
        let bytes = known.encode_to_vec();
        prop_assert_eq!(self::known(Message::new(&bytes)), Ok(known));
    }

    #[test]
    fn known_fields_of_odd_messages_are_what_prost_takes_them_for(nearly in nearly()) {
        // Prost merges a message that is given twice and limits depth; the reader here does neither.
        let merges = Message::new(&nearly).all(7).is_ok_and(|fields| fields.len() > 1);
        if let (Ok(theirs), false) = (Known::decode(&nearly[..]), merges) {
            prop_assert_eq!(known(Message::new(&nearly)).map(|k| k.encode_to_vec()), Ok(theirs.encode_to_vec()));
        }
    }

    #[test]
    fn varints_are_as_long_as_is_said(value in varint()) {
        let mut out = Vec::new();
        write::varint(&mut out, value);
        prop_assert_eq!(out.len(), write::varint_length(value));
        prop_assert_eq!(out.len(), prost::encoding::encoded_len_varint(value));
    }
}

#[test]
fn a_varint_ends_after_ten_bytes_and_sixty_four_bits() {
    let with = |value: &[u8]| {
        let bytes = [&[8], value].concat();
        Message::new(&bytes).fields().next().unwrap().and_then(|field| field.unsigned())
    };
    let largest = [&[0xff; 9][..], &[1]].concat();
    assert_eq!(with(&largest), Ok(u64::MAX));
    assert_eq!(with(&[0x85, 0x80, 0x00]), Ok(5), "padded, as some writers do for lengths");
    assert_eq!(with(&[&[0xff; 9][..], &[2]].concat()), Err(Malformed), "65 bits");
    assert_eq!(with(&[&[0x80; 10][..], &[0]].concat()), Err(Malformed), "eleven bytes");
    assert_eq!(with(&[0xff; 3]), Err(Malformed), "cut off");
}

#[test]
fn tags_that_no_message_has_are_malformed() {
    for bytes in [
        &[0x00, 0x00][..],                                                   // field 0
        &[0x0c],                               // the end of a group that has not begun
        &[0x0e, 0x00],                         // wire type 6
        &[0x0f, 0x00],                         // wire type 7
        &[0x80, 0x80, 0x80, 0x80, 0x10, 0x00], // field 2^29
        &[0x0a, 0x05, b'a'],                   // five bytes that are not there
        &[0x0b, 0x08],                         // a group that does not end
        &[0x0b, 0x14],                         // a group that ends as another
        &[0x0d, 1, 2, 3],                      // three of four bytes
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], // a length over all memory
    ] {
        assert!(!is_well_formed(bytes), "{bytes:?}");
    }
}

#[test]
fn groups_are_passed_whole_and_not_endlessly() {
    let nested = |depth: usize| [vec![0x0b; depth], vec![0x0c; depth], vec![0x10, 7]].concat();
    let body = nested(50);
    let fields: Vec<_> = Message::new(&body).fields().collect::<Result<_, _>>().unwrap();
    assert_eq!(fields.len(), 2);
    assert_eq!(fields[0].span(), 0..100);
    assert!(matches!(fields[0].content, Content::Group(inside) if inside.len() == 98));
    assert_eq!(fields[1].unsigned(), Ok(7));
    assert!(!is_well_formed(&nested(100_000)));
}

#[test]
fn a_field_of_another_type_is_malformed_where_it_is_read() {
    let body = written(&vec![(1, Tree::Varint(3)), (2, Tree::Bytes(vec![0xff])), (3, Tree::Fixed32(0))]);
    let fields: Vec<_> = Message::new(&body).fields().collect::<Result<_, _>>().unwrap();
    assert_eq!(fields[0].bytes(), Err(Malformed));
    assert_eq!(fields[0].float(), Err(Malformed));
    assert_eq!(fields[1].unsigned(), Err(Malformed));
    assert_eq!(fields[1].text(), Err(Malformed), "not UTF-8");
    assert_eq!(fields[1].double(), Err(Malformed));
    assert_eq!(fields[2].double(), Err(Malformed));
    assert!(fields[2].message().is_err());
    assert_eq!(Message::new(&body).floats(1, 4), Err(Malformed));
    assert_eq!(Message::new(&body).floats(2, 4), Err(Malformed), "one byte is no float");
}

#[test]
fn the_last_of_several_counts_and_floats_come_packed_and_one_by_one() {
    let mut body = Vec::new();
    write::unsigned(&mut body, 1, 3);
    write::floats(&mut body, 2, &[1.0, 2.0]);
    write::unsigned(&mut body, 1, 4);
    write::float(&mut body, 2, 3.0);
    write::floats(&mut body, 2, &[4.0, 5.0, 6.0]);
    let message = Message::new(&body);
    assert_eq!(message.last(1).unwrap().unwrap().unsigned(), Ok(4));
    assert!(message.last(9).unwrap().is_none());
    assert_eq!(message.all(2).unwrap().len(), 3);
    assert_eq!(message.floats(2, 9).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(message.floats(2, 4).unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(message.floats(2, 2).unwrap(), [1.0, 2.0]);
}

#[test]
fn nothing_of_a_message_is_shown_by_debug() {
    let mut body = Vec::new();
    write::bytes(&mut body, 1, b"secret");
    let field = Message::new(&body).fields().next().unwrap().unwrap();
    assert_eq!(format!("{field:?}"), "field 1@0..8");
}
