//! Pages of one hit.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    search::HitAt,
    wire::{
        Page,
        json::{
            HitArray, JsonPage, Member, PageStyle, Value,
            hits::{Field, Fields, Hit},
        },
    },
};

static STYLE: PageStyle = PageStyle { without_lists: None };

/// The only hit.
pub(super) const HIT: HitAt = HitAt { list: 0, hit: 0 };

/// A page of one hit with this object of fields, whose members are not noted.
pub(super) fn page(source: &str) -> Arc<dyn Page> {
    let fields = Fields::new(0..source.len(), None);
    of_hit(source, Hit { span: 0..source.len(), source: Some(fields), ..Hit::default() })
}

/// The same with two.
pub(super) fn of_objects(source: &str, second: &str) -> Arc<dyn Page> {
    let body = format!("{source}{second}");
    let [source, fields] = [0..source.len(), source.len()..body.len()];
    let [source, fields] = [source, fields].map(|span| Some(Fields::new(span, None)));
    of_hit(&body, Hit { span: 0..body.len(), source, fields, ..Hit::default() })
}

/// A page of one hit with these objects, their members noted as a dialect notes them.
pub(super) fn noted(source: &str, second: Option<&str>) -> Arc<dyn Page> {
    let body = format!("{source}{}", second.unwrap_or_default());
    let hit = Hit {
        span: 0..body.len(),
        source: Some(fields(&body, 0..source.len())),
        fields: second.map(|_| fields(&body, source.len()..body.len())),
        ..Hit::default()
    };
    of_hit(&body, hit)
}

fn of_hit(body: &str, hit: Hit) -> Arc<dyn Page> {
    let list = HitArray { hits: vec![hit].into(), array: 0..body.len(), ..HitArray::default() };
    Arc::new(JsonPage::new(Bytes::copy_from_slice(body.as_bytes()), vec![list], Vec::new(), &STYLE))
}

fn fields(body: &str, span: Range<usize>) -> Fields {
    let object = Value::found(body.as_bytes(), span.clone()).unwrap();
    let note = |member: Member<'_>| {
        let start = member.key_start + 1;
        let plain = matches!(member.key, Cow::Borrowed(_));
        plain.then(|| Field { name: start..start + member.key.len(), value: member.value.span() })
    };
    let members = object.members().and_then(|members| members.into_iter().map(note).collect());
    Fields::new(span, members)
}
