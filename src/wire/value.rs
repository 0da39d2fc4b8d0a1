use std::borrow::Cow;

use super::{Kind, json, proto};

/// A value of a hit's field, in the format that it came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON.
    Json(json::Value<'a>),
    /// Protobuf.
    Proto(proto::Value<'a>),
}

/// A member of an object of fields.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub key: Cow<'a, str>,
    /// Its value.
    pub value: Value<'a>,
}

impl<'a> Value<'a> {
    /// What kind of value this is.
    pub fn kind(self) -> Kind {
        match self {
            Self::Json(value) => value.kind(),
            Self::Proto(value) => value.kind(),
        }
    }

    /// The members of an object, in their order; `None` for any other kind.
    pub fn members(self) -> Option<Vec<Member<'a>>> {
        match self {
            Self::Json(value) => value.members_as(Member::of_json),
            Self::Proto(value) => value.members().map(Member::of_proto),
        }
    }

    /// The elements of an array; `None` for any other kind.
    pub fn items(self) -> Option<Vec<Value<'a>>> {
        match self {
            Self::Json(value) => value.items().map(|items| items.into_iter().map(Self::Json).collect()),
            Self::Proto(value) => value.items().map(|items| items.into_iter().map(Self::Proto).collect()),
        }
    }

    /// The value of the last member called `key`.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        match self {
            Self::Json(value) => value.get(key).map(Self::Json),
            Self::Proto(value) => value.get(key).map(Self::Proto),
        }
    }

    /// The value at the end of a path of keys.
    pub fn at(self, path: &[&str]) -> Option<Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text of a string, without what is no character.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Json(value) => value.as_str(),
            Self::Proto(value) => value.as_str(),
        }
    }

    /// A number, `true` or `false` as text.
    pub fn scalar_text(self) -> Cow<'a, str> {
        match self {
            Self::Json(value) => Cow::Borrowed(value.text()),
            Self::Proto(value) => value.spelled().unwrap_or_default(),
        }
    }

    /// How many bytes of its body it takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Json(value) => value.text().len(),
            Self::Proto(value) => value.bytes().len(),
        }
    }
}

impl<'a> Member<'a> {
    /// A member of an object in JSON.
    #[inline]
    pub fn of_json(member: json::Member<'a>) -> Self {
        Self { key: member.key, value: Value::Json(member.value) }
    }

    /// The members of a message, in their order.
    pub fn of_proto(members: Vec<proto::Member<'a>>) -> Vec<Self> {
        let member = |member: proto::Member<'a>| Self {
            key: Cow::Borrowed(member.key),
            value: Value::Proto(member.value),
        };
        members.into_iter().map(member).collect()
    }
}
