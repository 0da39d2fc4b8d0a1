//! Reading `tenants`.

use super::{
    ListenerConfig, RerankConfig, RouteConfig, elsewhere,
    list::{self, NOT_OF_TENANTS},
    node::{MapEntry, Value},
    problem::Problems,
    read_rerank::rerank,
    section::Section,
    setting::{self, Setting},
    tenants::{TenantConfig, TenantsConfig},
};
use crate::{
    pipeline::{Mode, OTHER},
    tenant::{is_certificate_name, network},
};

/// Each has series of its own.
const MOST_TENANTS: usize = 1000;
const LONGEST_NAME: usize = 64;

/// Reads the section. What a tenant says lies over the base, and over every route.
pub(super) fn read(
    top: &Section<'_>,
    (base, routes): (&RerankConfig, &[RouteConfig]),
    listeners: &[ListenerConfig],
    problems: &mut Problems,
) -> TenantsConfig {
    let mut known = setting::keys(list::TENANTS);
    known.push("names");
    let section = top.inside("tenants", &known, problems);
    let mut to = TenantsConfig::default();
    let header = section.read("header", problems, header);
    section.set_list("networks", &mut to.networks, problems, |text| {
        network(text).ok_or_else(|| format!("`{text}` is no network, such as 10.42.0.0/16 or fd00::/8."))
    });
    if section.has("header") && to.networks.is_empty() {
        let sentence = "the header counts only from networks that are named: anybody else could write it. Name those of \
                        the gateway in tenants.networks, such as [10.42.0.0/16].";
        section.complain("networks", sentence, problems);
    }
    if section.has("networks") && !section.has("header") && !to.networks.is_empty() {
        section.complain("header", "networks are for a header, and none is named.", problems);
    }
    to.header = header;
    let names = section.node("names").map(|node| &node.value);
    match names {
        Some(Value::Map(entries)) => {
            to.each = entries.iter().map(|entry| tenant(&section, entry, (base, routes), problems)).collect();
        }
        None | Some(Value::Null) => {}
        Some(_) => section.complain(
            "names",
            "this has to be a map from names to settings, such as `acme: { window: 20 }`.",
            problems,
        ),
    }
    whole(&section, &to, listeners, problems);
    to
}

fn header(text: &str) -> Result<http::HeaderName, String> {
    let name = http::HeaderName::try_from(text).map_err(|_| format!("`{text}` is no name of a header."))?;
    if name.as_str().starts_with("x-rerank") {
        return Err("headers of this name are rerankd's own, and never forwarded.".to_owned());
    }
    Ok(name)
}

/// What is wrong with all of it together.
fn whole(section: &Section<'_>, of: &TenantsConfig, listeners: &[ListenerConfig], problems: &mut Problems) {
    if of.header.is_some() && of.each.is_empty() {
        section.complain(
            "names",
            "no tenant is named: whatever the header says would change nothing.",
            problems,
        );
    }
    if of.each.len() > MOST_TENANTS {
        let sentence = format!("there are more than {MOST_TENANTS} tenants; each has series of its own.");
        section.complain("names", sentence, problems);
    }
    let verifies = |each: &ListenerConfig| each.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some());
    // Where such a file could not be read, that has been said.
    let is_said = problems.0.iter().any(|problem| problem.path.contains("tls.client_ca_file"));
    let none = !is_said && !listeners.iter().any(verifies);
    if none && of.each.iter().any(|each| !each.certificates.is_empty()) {
        let sentence = "certificates are for clients that have to show one, and no listener asks for them: set its \
                        tls.client_ca_file.";
        section.complain("names", sentence, problems);
    }
}

fn tenant(
    all: &Section<'_>,
    entry: &MapEntry,
    (base, routes): (&RerankConfig, &[RouteConfig]),
    problems: &mut Problems,
) -> TenantConfig {
    let mut known = setting::keys(list::RERANK);
    known.retain(|key| !NOT_OF_TENANTS.contains(key));
    known.extend(setting::keys(list::TENANT));
    let path = all.path_of(&format!("names.{}", entry.key));
    let section = Section::open(Some(&entry.node), path.clone(), &known, elsewhere::hint, problems);
    if let Some(sentence) = bad_name(&entry.key) {
        problems.add(&path, &entry.origin, sentence);
    }
    let mut to = TenantConfig::named(&entry.key, base, []);
    setting::read(list::TENANT, &section, &mut to, problems);
    to.rerank = over(&section, base, false, problems);
    let own = list::RERANK.iter().filter(|setting| is_own(&section, setting, &mut to.rerank));
    to.own = own.map(|setting| setting.key).collect();
    // What is wrong with its own keys has been said.
    let mut said = Problems::default();
    let mut of_route = |route: &RouteConfig| over(&section, &route.rerank, route.has_mode, &mut said);
    to.routes = routes.iter().map(&mut of_route).collect();
    for pattern in to.certificates.iter().filter(|pattern| !is_certificate_name(pattern)) {
        let sentence = format!(
            "`{pattern}` is no name in a certificate: write CN=…, DNS:… or URI:…, and more of it than signs that are wild."
        );
        section.complain("certificates", sentence, problems);
    }
    if !all.has("header") && to.certificates.is_empty() && to.collections.is_empty() {
        let sentence =
            "nothing tells this tenant's searches: set certificates or collection, or tenants.header.";
        problems.add(&path, &entry.origin, sentence);
    }
    to
}

/// The tenant's keys over the base or a route. `keeps_mode`: a tenant opens nothing that the route keeps to itself.
fn over(
    section: &Section<'_>,
    base: &RerankConfig,
    keeps_mode: bool,
    problems: &mut Problems,
) -> RerankConfig {
    let mut to = rerank(section, base, problems);
    if keeps_mode {
        to.mode = match (base.mode, to.mode) {
            (Mode::Off, _) | (_, Mode::Off) => Mode::Off,
            (Mode::Shadow, _) | (_, Mode::Shadow) => Mode::Shadow,
            (Mode::On, Mode::On) => Mode::On,
        };
    }
    to.window = to.window.min(to.max_window);
    to.collections.clone_from(&base.collections);
    to
}

/// Whether the tenant says this itself. A null does only where it empties the setting; else it leaves that to the base and the
/// routes.
fn is_own(section: &Section<'_>, setting: &Setting<RerankConfig>, of: &mut RerankConfig) -> bool {
    let says =
        |section: &Section<'_>, key: &str| section.node(key).map(|node| matches!(node.value, Value::Null));
    let is_null = match setting.key.split_once('.') {
        Some((inner, key)) => says(&section.again(inner), key),
        None => says(section, setting.key),
    };
    is_null.is_some_and(|is_null| !is_null || setting.text(of).is_none_or(|text| text == "null"))
}

fn bad_name(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name == OTHER {
        return Some(format!("`{OTHER}` means whoever is none of the tenants."));
    }
    let is_good = (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(good);
    (!is_good).then(|| {
        format!("a tenant's name is of letters, digits, `.`, `_` and `-`, up to {LONGEST_NAME} of them.")
    })
}
