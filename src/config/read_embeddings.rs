//! Reading the `embeddings` section.

use std::collections::HashMap;

use super::{
    elsewhere,
    embeddings::{EmbeddingsConfig, KNOWN, ServiceConfig},
    list,
    node::{MapEntry, Node, Value},
    problem::Problems,
    read_provider::filled,
    read_tls,
    section::Section,
    setting,
    values::{self, nearest},
};
use crate::embedding::form::Form;

/// Reads the section. Where Cohere is, `CO_API_URL` says for this as for the provider.
pub(super) fn read(
    top: &Section<'_>,
    env: &HashMap<String, String>,
    problems: &mut Problems,
) -> EmbeddingsConfig {
    let mut to = EmbeddingsConfig::default();
    let mut known = setting::keys(list::EMBEDDINGS);
    known.push("services");
    let section = Section::open(top.node("embeddings"), "embeddings", &known, elsewhere::hint, problems);
    setting::read(list::EMBEDDINGS, &section, &mut to, problems);
    to.tls = read_tls::listener_tls(&section, problems);
    if section.has("services") {
        to.services = services(section.node("services"), problems);
    }
    let is_said = match section.node("services").map(|node| &node.value) {
        Some(Value::Map(entries)) => {
            entries.iter().any(|entry| entry.key == "cohere" && entry.node.has("url"))
        }
        _ => false,
    };
    // One that is no URL is the provider's problem.
    let said = filled(env, "CO_API_URL").filter(|_| !is_said);
    to.cohere_at = said.and_then(|text| values::upstream_url(text).ok());
    to
}

fn services(node: Option<&Node>, problems: &mut Problems) -> Vec<ServiceConfig> {
    let names: Vec<&str> = match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.iter().map(|entry| entry.key.as_str()).collect(),
        _ => Vec::new(),
    };
    let all = Section::open(node, "embeddings.services", &names, elsewhere::hint, problems);
    all.entries().iter().map(|entry| service(entry, problems)).collect()
}

fn service(entry: &MapEntry, problems: &mut Problems) -> ServiceConfig {
    let path = format!("embeddings.services.{}", entry.key);
    let section = Section::open(
        Some(&entry.node),
        path.clone(),
        &setting::keys(list::SERVICE),
        elsewhere::hint,
        problems,
    );
    let mut to = ServiceConfig::named(&entry.key);
    setting::read(list::SERVICE, &section, &mut to, problems);
    if let Some(sentence) = bad_name(&entry.key) {
        problems.add(&path, &entry.origin, sentence);
    } else if !is_known(&entry.key) {
        wanting(&section, &entry.key, problems);
    }
    let form = to.form;
    let mut url = (to.url, to.path);
    section.set("url", &mut url, problems, |text| {
        let (url, path) = values::upstream_url(text)?;
        match appended(form, path.as_str()) {
            Some(end) => Err(format!("the URL ends too late: clients append `{end}` to it themselves.")),
            None => Ok((url, path)),
        }
    });
    (to.url, to.path) = url;
    to
}

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|known| known.name == name)
}

/// What a service that is not known has to say.
fn wanting(section: &Section<'_>, name: &str, problems: &mut Problems) {
    let known: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    let lacks: Vec<&str> = ["url", "form"].into_iter().filter(|key| !section.has(key)).collect();
    let near = nearest(name, &known).filter(|_| lacks.len() == 2);
    let hint = match near {
        Some(near) => format!("did you mean `{near}`? Another service needs"),
        None => format!("known without an entry are {}. This one needs", known.join(", ")),
    };
    for key in &lacks {
        let example = match *key {
            "url" if name.contains("azure") => "`url: https://NAME.openai.azure.com`",
            "url" => "its `url`, such as https://embeddings.internal/v1",
            _ => "its `form`: openai, cohere, google, ollama or tei",
        };
        section.complain(
            key,
            format!("`{name}` is no service that rerankd knows; {hint} {example}."),
            problems,
        );
    }
}

/// Why a name cannot be a base path.
fn bad_name(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) || name.starts_with('.') {
        let sentence =
            "a service's name is a part of its base URL: up to 64 letters, digits, `-`, `_` and `.`.";
        return Some(sentence.to_owned());
    }
    let is_version =
        name.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    // What clients append to a base URL that names no service.
    if is_version || matches!(name, "api" | "embed" | "embeddings" | "models" | "openai.azure.com") {
        return Some(format!(
            "`{name}` cannot be a service's name: clients append it to base URLs themselves."
        ));
    }
    None
}

/// What clients of this form append themselves, if a URL's path ends with it.
fn appended(form: Form, path: &str) -> Option<&'static str> {
    let ends: &[&str] = match form {
        Form::OpenAi => &["/embeddings", "/chat/completions", "/responses", "/models"],
        Form::Cohere => &["/v1", "/v2", "/embed", "/chat", "/rerank"],
        Form::Google => &["/v1", "/v1beta", "/models"],
        Form::Ollama => &["/api", "/v1", "/api/embed", "/api/embeddings"],
        Form::Tei => &["/v1/embeddings"],
    };
    ends.iter().find(|end| path.ends_with(**end)).copied()
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{bad, good};

    #[test]
    fn services_that_are_known_need_nothing_and_others_a_url_and_a_form() {
        let config = good("embeddings: { listen: '127.0.0.1:6363' }", &[]);
        let served = config.embeddings.all_services();
        let names: Vec<(&str, String)> =
            served.iter().map(|each| (each.name.as_str(), each.written_url())).collect();
        assert_eq!(names.len(), 8);
        for (name, url) in [
            ("openai", "https://api.openai.com/v1"),
            ("cohere", "https://api.cohere.com"),
            ("ollama", "http://127.0.0.1:11434"),
            ("nvidia", "https://integrate.api.nvidia.com/v1"),
        ] {
            assert!(names.contains(&(name, url.to_owned())), "{names:?}");
        }
        let text = "embeddings:\n  services:\n    openai: { remember: never }\n    ollama: { url: 'http://gpu:11434/' }\n    \
                    azure: { url: 'https://n.openai.azure.com', form: openai }\n";
        let served = good(text, &[]).embeddings.all_services();
        let of = |name: &str| served.iter().find(|each| each.name == name).unwrap();
        assert_eq!(served.len(), 9);
        assert_eq!(
            (of("openai").written_url().as_str(), of("openai").remember.as_str()),
            ("https://api.openai.com/v1", "never")
        );
        assert_eq!(of("ollama").written_url(), "http://gpu:11434");
        assert_eq!(of("azure").written_url(), "https://n.openai.azure.com");
    }

    #[test]
    fn cohere_is_where_the_provider_of_that_kind_is_unless_its_own_entry_says_so() {
        let at = |text: &str, env: &[(&str, &str)]| good(text, env).embeddings.cohere().written_url();
        let variable = [("CO_API_URL", "https://cohere.internal/x")];
        assert_eq!(at("", &[]), "https://api.cohere.com");
        assert_eq!(at("", &variable), "https://cohere.internal/x");
        assert_eq!(
            at("embeddings: { services: { cohere: { remember: never } } }", &variable),
            "https://cohere.internal/x"
        );
        assert_eq!(at("embeddings: { services: { cohere: { url: 'http://c' } } }", &variable), "http://c");
    }

    #[test]
    fn a_service_that_cannot_be_served_is_a_problem_that_says_what_to_write() {
        for (service, said) in [
            (
                "azure: {}",
                "`azure` is no service that rerankd knows; known without an entry are openai, cohere, google",
            ),
            ("azure: {}", "`url: https://NAME.openai.azure.com`"),
            ("mine: { url: 'http://e/v1' }", "embeddings.services.mine.form: `mine` is no service"),
            ("opnai: {}", "did you mean `openai`?"),
            ("OpenAI: {}", "did you mean `openai`?"),
            ("v1: { url: 'http://e', form: openai }", "`v1` cannot be a service's name"),
            ("'a/b': { url: 'http://e', form: openai }", "a part of its base URL"),
            ("openai: { url: 'https://h/v1/embeddings' }", "clients append `/embeddings`"),
            ("cohere: { url: 'https://h/v2' }", "clients append `/v2`"),
            ("ollama: { url: 'http://h:11434/api' }", "clients append `/api`"),
            ("openai: { url: 'https://h/v1?key=1' }", "must not have a query string"),
            ("openai: { url: 'https://me:secret@h/v1' }", "must not hold a user name"),
            ("openai: { url: h }", "the scheme is missing"),
            ("openai: { form: azure }", "`azure` is not one of openai, cohere, google, ollama, tei"),
            ("openai: { base_url: 'http://h' }", "it is called `url` here"),
            ("openai: { api_key: k }", "clients send their own"),
            ("openai: { kind: openai }", "it is called `form` here"),
            ("openai: 'https://h/v1'", "this has to be a map of settings"),
            (
                "ollama: { url: 'http://127.0.0.1:6343' }",
                "this is listeners[0].listen (127.0.0.1:6343) itself",
            ),
            ("ollama: { url: 'http://localhost:6363' }", "this is embeddings.listen (127.0.0.1:6363) itself"),
        ] {
            let problems =
                bad(&format!("embeddings:\n  listen: 127.0.0.1:6363\n  services: {{ {service} }}"));
            assert!(problems.contains(said), "{service}: {problems}");
        }
        assert!(
            bad("embeddings: { query_prefixes: ['query: ', ' '] }").contains("an empty prefix; write []")
        );
        assert!(bad("embedding: {}").contains("did you mean `embeddings`?"));
        assert!(bad("embeddings: { listen: '127.0.0.1:6343' }").contains("is taken by"));
        assert!(bad("embeddings: { services: [openai] }").contains("map"));
        assert!(bad("embeddings: { memory: { tll: 1h } }").contains("did you mean `ttl`?"));
    }

    #[test]
    fn variables_and_lists_are_read_as_they_are_written() {
        let pairs = [
            ("RERANKD_EMBEDDINGS__LISTEN", "127.0.0.1:6363"),
            ("RERANKD_EMBEDDINGS__MEMORY__TTL", "10m"),
            ("RERANKD_EMBEDDINGS__SERVICES__TEI__URL", "http://tei:80"),
            ("RERANKD_EMBEDDINGS__SERVICES__TEI__FORM", "tei"),
        ];
        let config = good("", &pairs).embeddings;
        assert_eq!(config.listen.unwrap().port(), 6363);
        assert_eq!(config.memory.ttl.as_secs(), 600);
        let all = config.all_services();
        let prefixed =
            good("embeddings: { query_prefixes: ['Q: ', \"Instruct: *\\nQuery: \"] }", &[]).embeddings;
        assert_eq!(prefixed.query_prefixes, ["Q: ", "Instruct: *\nQuery: "]);
        assert!(good("embeddings: { query_prefixes: [] }", &[]).embeddings.query_prefixes.is_empty());
        assert_eq!((all.len(), all[8].written_url().as_str()), (9, "http://tei:80"));
        assert!(good("", &[("RERANKD_EMBEDDINGS__LISTEN", "")]).embeddings.listen.is_none());
    }
}
