//! Reading the `rerank_api` section.

use super::{
    elsewhere, list, problem::Problems, read_tls, rerank_api::RerankApiConfig, section::Section, setting,
    token::token, values,
};

/// Reads the section.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> RerankApiConfig {
    let mut to = RerankApiConfig::default();
    let section = Section::open(
        top.node("rerank_api"),
        "rerank_api",
        &setting::keys(list::RERANK_API),
        elsewhere::hint,
        problems,
    );
    setting::read(list::RERANK_API, &section, &mut to, problems);
    to.tls = read_tls::listener_tls(&section, problems);
    if section.has("providers") {
        let mut names = Vec::new();
        section.set_list("providers", &mut names, problems, values::name);
        if names.is_empty() {
            section.complain(
                "providers",
                "the list is empty; leave it out to take rerank.providers.",
                problems,
            );
        }
        to.providers = Some(names);
    }
    to.token = token(&section, to.token_file.as_ref(), problems);
    to
}
