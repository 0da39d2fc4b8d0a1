//! [`Setting`]: all that is known of one setting, in one line of a list (`list/`). From the lists come what the reader
//! checks, what `check` prints, the variables, the suggestions, and the published files: the reference file, the page's
//! table and the JSON schema.
//!
//! Why lists and not types with `serde` and `schemars`: what a wrong configuration is answered with is part of the
//! program's face. All problems are named at once, each with line and column, its variable or flag, and what to write
//! instead; `null` in a route undoes what the base says; variables lie over the file value by value. A derived reader
//! ends at the first problem and no longer knows where a value stood, and each kind of value (`5%`, `64MiB`, `1h`, a
//! certificate that can be read) would still need a type of its own for reader, printer and schema. The settings types
//! stay plain structs of the modules that use them, with their own defaults; a list's entry points to the field.

use super::{
    kind::Kind,
    node::Value,
    out::{Out, list},
    problem::Problems,
    section::Section,
};

/// One setting of a section whose values end up in a `T`.
pub(super) struct Setting<T: 'static> {
    /// Its key in the section; one with a dot is of a section inside that one.
    pub(super) key: &'static str,
    /// What its value may be.
    pub(super) kind: Kind,
    /// What it does, for the reference file and the page.
    pub(super) help: &'static str,
    /// How it comes into the `T` and out again.
    pub(super) by: By<T>,
    /// The flag of the command line, if it has one.
    pub(super) flag: Option<&'static str>,
    /// What a change does, where that is not simply that it counts from the next request or connection on.
    pub(super) reload: Reload,
}

/// How a setting comes into its struct and out again.
pub(super) enum By<T: 'static> {
    /// By its kind, to and from a field.
    Field(fn(&mut T) -> &mut dyn Field),
    /// Read by code of its own, where it means more than one value. This is what is printed.
    Hand(fn(&T) -> Shown),
    /// Read by code of its own and not printed. This is its default.
    Read(&'static str),
    /// Only printed.
    Printed(fn(&T) -> Shown),
    /// A section, read and printed by code of its own; off by default.
    Section(fn(&T, &mut Out, usize)),
}

// Derived, these would ask the same of `T`.
impl<T> Clone for Setting<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Setting<T> {}
impl<T> Clone for By<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for By<T> {}

/// What a change of a setting does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    /// It counts from the next request or connection on.
    Next,
    /// It is rejected: the process has to be started again.
    Restart,
    /// The score cache begins anew, empty.
    EmptiesCache,
    /// The memory of embeddings begins anew, empty.
    Forgets,
}

/// What a file would say.
pub(super) enum Shown {
    Null,
    One(String),
    List(Vec<String>),
}

/// The Rust type of a value. What the value may be, its kind has checked before.
pub(super) trait Field {
    /// Takes a value; `None` is null, which empties what can be empty and leaves all else.
    fn take(&mut self, text: Option<&str>) -> Result<(), String>;
    /// Takes a list.
    fn take_list(&mut self, texts: &[String]) -> Result<(), String>;
    /// What a file would say.
    fn shown(&self) -> Shown;
}

/// A setting that is read into a field and printed from it.
pub(super) const fn setting<T>(
    key: &'static str,
    kind: Kind,
    help: &'static str,
    field: fn(&mut T) -> &mut dyn Field,
) -> Setting<T> {
    by(key, kind, help, By::Field(field))
}

/// A setting that needs code of its own.
pub(super) const fn by<T>(key: &'static str, kind: Kind, help: &'static str, by: By<T>) -> Setting<T> {
    Setting { key, kind, help, by, flag: None, reload: Reload::Next }
}

impl<T> Setting<T> {
    /// With a flag of the command line.
    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// With what a change does.
    pub(super) const fn reload(self, reload: Reload) -> Self {
        Self { reload, ..self }
    }

    /// Whether a file may have it.
    pub(super) fn is_read(&self) -> bool {
        !matches!(self.by, By::Printed(_))
    }

    fn read(&self, section: &Section<'_>, key: &str, to: &mut T, problems: &mut Problems) {
        let (By::Field(field), Some(node)) = (self.by, section.node(key)) else { return };
        let field = field(to);
        let taken = match (self.kind, &node.value) {
            (Kind::List(_), Value::Null) => return,
            (Kind::List(item), _) => {
                let mut texts = Vec::new();
                let normal = |text: &str| item.normal(text).map(Option::unwrap_or_default);
                section.set_list(key, &mut texts, problems, normal);
                field.take_list(&texts)
            }
            (_, Value::Null) => field.take(None),
            (kind, _) => match section.read(key, problems, |text| kind.normal(text)) {
                Some(text) => field.take(text.as_deref()),
                None => return,
            },
        };
        if let Err(sentence) = taken {
            section.complain(key, sentence, problems);
        }
    }

    /// The value of a `T` as a file would say it; `None` if this is not printed.
    pub(super) fn text(&self, of: &mut T) -> Option<String> {
        let shown = match self.by {
            By::Field(field) => field(of).shown(),
            By::Hand(shown) | By::Printed(shown) => shown(of),
            By::Read(_) | By::Section(_) => return None,
        };
        Some(match (shown, self.kind) {
            (Shown::Null, _) => "null".to_owned(),
            (Shown::One(text), kind) => kind.words(&text),
            (Shown::List(texts), Kind::List(Kind::Word(_))) => format!("[{}]", texts.join(", ")),
            (Shown::List(texts), _) => list(&texts),
        })
    }
}

/// The keys that a section's map may have.
pub(super) fn keys<T>(settings: &[Setting<T>]) -> Vec<&'static str> {
    let mut keys: Vec<&str> = Vec::new();
    for setting in settings.iter().filter(|setting| setting.is_read()) {
        let key = setting.key.split('.').next().unwrap_or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Reads every setting that needs no code of its own; problems for unknown keys of sections inside this one.
pub(super) fn read<T>(settings: &[Setting<T>], section: &Section<'_>, to: &mut T, problems: &mut Problems) {
    let mut inner: Vec<(&str, Section<'_>)> = Vec::new();
    for setting in settings {
        let Some((name, key)) = setting.key.split_once('.') else {
            setting.read(section, setting.key, to, problems);
            continue;
        };
        if !inner.iter().any(|(each, _)| *each == name) {
            let known: Vec<&str> =
                settings.iter().filter_map(|each| each.key.strip_prefix(name)?.strip_prefix('.')).collect();
            inner.push((name, section.inside(name, &known, problems)));
        }
        if let Some((_, section)) = inner.iter().find(|(each, _)| *each == name) {
            setting.read(section, key, to, problems);
        }
    }
}

/// Prints every setting of a section, as it is read.
pub(super) fn print<T: Clone>(settings: &[Setting<T>], out: &mut Out, indent: usize, of: &T) {
    let of = &mut of.clone();
    let mut open = "";
    for setting in settings {
        let (name, key, indent) = match setting.key.split_once('.') {
            Some((name, key)) => (name, key, indent + 2),
            None => ("", setting.key, indent),
        };
        if name != open && !name.is_empty() {
            out.line(indent - 2, &format!("{name}:"));
        }
        open = name;
        if let By::Section(print) = setting.by {
            print(of, out, indent);
        } else if let Some(text) = setting.text(of) {
            out.set(indent, key, text);
        }
    }
}

/// A Rust type of single values.
pub(super) trait Scalar: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
    fn to_text(&self) -> String;
}

impl<T: Scalar> Field for T {
    fn take(&mut self, text: Option<&str>) -> Result<(), String> {
        if let Some(text) = text {
            *self = T::from_text(text)?;
        }
        Ok(())
    }

    fn take_list(&mut self, _: &[String]) -> Result<(), String> {
        Err("this has to be one value, not a list or a map.".to_owned())
    }

    fn shown(&self) -> Shown {
        Shown::One(self.to_text())
    }
}

impl<T: Scalar> Field for Option<T> {
    fn take(&mut self, text: Option<&str>) -> Result<(), String> {
        *self = text.map(T::from_text).transpose()?;
        Ok(())
    }

    fn take_list(&mut self, _: &[String]) -> Result<(), String> {
        Err("this has to be one value, not a list or a map.".to_owned())
    }

    fn shown(&self) -> Shown {
        self.as_ref().map_or(Shown::Null, |value| Shown::One(value.to_text()))
    }
}

impl<T: Scalar> Field for Vec<T> {
    fn take(&mut self, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }

    fn take_list(&mut self, texts: &[String]) -> Result<(), String> {
        *self = texts.iter().map(|text| T::from_text(text)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn shown(&self) -> Shown {
        Shown::List(self.iter().map(T::to_text).collect())
    }
}

/// Types that a text can be parsed into.
macro_rules! parsed {
    ($($type:ty),+) => {$(
        impl Scalar for $type {
            fn from_text(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("`{text}` does not fit here."))
            }

            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

parsed!(bool, u16, u32, u64, usize, f32, f64, String, std::net::SocketAddr);

impl Scalar for std::time::Duration {
    fn from_text(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|error| format!("{error}."))
    }

    fn to_text(&self) -> String {
        let seconds = self.as_secs();
        match seconds {
            _ if self.subsec_nanos() > 0 => humantime::format_duration(*self).to_string(),
            0 => "0s".to_owned(),
            _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
            _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
            _ => format!("{seconds}s"),
        }
    }
}

impl Scalar for std::path::PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::from(text))
    }

    fn to_text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Scalar for crate::search::PathPrefix {
    fn from_text(text: &str) -> Result<Self, String> {
        super::values::path_prefix(text)
    }

    fn to_text(&self) -> String {
        self.as_str().to_owned()
    }
}

/// Of an upstream, whose path is said elsewhere.
impl Scalar for http::Uri {
    fn from_text(text: &str) -> Result<Self, String> {
        match super::values::upstream_url(text)? {
            (url, prefix) if prefix.is_empty() => Ok(url),
            _ => Err("a gRPC address has no path: write scheme, host and port.".to_owned()),
        }
    }

    fn to_text(&self) -> String {
        self.to_string().trim_end_matches('/').to_owned()
    }
}

impl Scalar for rustls_pki_types::ServerName<'static> {
    fn from_text(text: &str) -> Result<Self, String> {
        super::values::server_name(text)
    }

    fn to_text(&self) -> String {
        self.to_str().into_owned()
    }
}
