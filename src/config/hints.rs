//! What was most likely meant by a value that cannot be, and what to write instead. A value that may be secret is never
//! repeated.

use std::net::SocketAddr;

use super::origin::Origin;

/// Why a text that stands where a value is wanted cannot be that value, wherever it is written.
pub(super) fn not_a_value(text: &str, origin: &Origin) -> Option<&'static str> {
    match origin {
        Origin::Named(_) if is_quoted(text) => Some(
            "the value begins and ends with a quotation mark that is part of it (files of `--env-file` are taken \
             literally); leave the marks out.",
        ),
        _ if is_variable(text) => Some(
            "this names a variable, and nothing expands one here; write the value itself, or set the setting's own \
             variable: RERANKD_<SECTION>__<KEY>.",
        ),
        _ => None,
    }
}

/// Why a key, a token or a password was most likely not meant as it is.
pub(super) fn not_a_secret(text: &str) -> Option<&'static str> {
    if is_quoted(text) {
        return Some("the key stands in quotation marks, which would be sent with it; leave the marks out.");
    }
    if is_variable(text) || (text.starts_with('$') && text.len() > 1 && is_name(&text[1..])) {
        return Some(
            "this is the name of a variable, not its value: nothing has expanded it; write the key itself.",
        );
    }
    if text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        return Some("the key begins with `Bearer`, which is sent before it anyway; write the key alone.");
    }
    if text.lines().filter(|line| !line.trim().is_empty()).count() > 1 {
        return Some("there are several lines; the key has to stand alone, on one.");
    }
    None
}

fn is_quoted(text: &str) -> bool {
    ['"', '\''].iter().any(|mark| text.len() > 1 && text.starts_with(*mark) && text.ends_with(*mark))
}

/// `${NAME}` anywhere, or `$NAME` as the whole.
fn is_variable(text: &str) -> bool {
    let braced = text.split("${").skip(1).any(|rest| rest.split('}').next().is_some_and(is_name));
    braced || text.strip_prefix('$').is_some_and(is_name)
}

fn is_name(text: &str) -> bool {
    let name = text.split(":-").next().unwrap_or_default();
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// What to write instead of a text that is no address to listen on.
pub(super) fn address(text: &str) -> String {
    let bare = text.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/');
    if bare.len() < text.len() && bare.parse::<SocketAddr>().is_ok() {
        return format!("`{text}` is a URL; an address to listen on has no scheme and no path: {bare}.");
    }
    let port = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")).unwrap_or(text);
    if port.parse::<u16>().is_ok() {
        return format!(
            "`{text}` is not an address but a port alone; write 127.0.0.1:{port} for this machine alone, or 0.0.0.0:{port} \
             for every address."
        );
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        let ip = if host == "localhost" { "127.0.0.1" } else { "0.0.0.0" };
        let bracketless = text.parse::<std::net::Ipv6Addr>().is_ok();
        return match bracketless {
            true => format!("`{text}` is an IPv6 address without a port; write [{text}]:6343."),
            false => format!(
                "`{text}` is not an address with a port: a name stands where an IP address of this machine is needed, such \
                 as {ip}:{port}."
            ),
        };
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return format!(
            "`{text}` is not an address with a port; write the port behind it, such as {text}:6343."
        );
    }
    format!("`{text}` is not an address with a port from 0 to 65535, such as 127.0.0.1:6343.")
}

/// What to write instead of a text that is no duration.
pub(super) fn duration(text: &str, example: &str) -> String {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        return format!("`{text}` is not a duration with its unit; write {text}s or {text}ms.");
    }
    format!("`{text}` is not a duration with its unit, such as {example}.")
}

/// What to write instead of a text that is neither `true` nor `false`.
pub(super) fn boolean(text: &str) -> String {
    let meant = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" | "1" | "t" | "true" | "enabled" => " Write true.",
        "no" | "off" | "n" | "0" | "f" | "false" | "disabled" => " Write false.",
        _ => "",
    };
    format!("`{text}` is neither true nor false.{meant}")
}

/// What to write instead of a text that is no size.
pub(super) fn size(text: &str) -> String {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text.get(digits.len()..).unwrap_or_default().trim().to_ascii_lowercase();
    let unit = match unit.as_str() {
        _ if digits.is_empty() => None,
        "ki" => Some("KiB"),
        "mi" | "m" => Some("MiB"),
        "gi" | "g" => Some("GiB"),
        _ => None,
    };
    match unit {
        Some(unit) => format!("`{text}` is not a size in bytes; write {digits}{unit}."),
        None => format!("`{text}` is not a size in bytes, such as 64MiB."),
    }
}

/// A size that is a number alone, and so small that its unit was forgotten.
pub(super) fn unit_of_size(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_digit()) {
        return format!("`{text}` is so many bytes, less than 1KiB; write the unit: {text}MiB or {text}KiB.");
    }
    format!("`{text}` is less than 1KiB.")
}

/// What a file that cannot be opened most likely wants. Relative paths begin where the program was started.
pub(super) fn file(path: &str, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => {
            let from = match std::env::current_dir() {
                Ok(folder) if std::path::Path::new(path).is_relative() => {
                    format!(" in {} (write the path from / on, or start rerankd elsewhere)", folder.display())
                }
                _ => "; check the path, and in a container that the file is mounted".to_owned(),
            };
            format!("`{path}` cannot be read: there is no such file{from}.")
        }
        ErrorKind::PermissionDenied => format!(
            "`{path}` cannot be read: permission denied to the user that rerankd runs as; give it read access to the \
             file and to the folders above it."
        ),
        kind => format!("`{path}` cannot be read: {kind}."),
    }
}

/// The dialect that is meant by another name of a database.
pub(super) fn dialect(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "opensearch" | "open-search" | "open_search" | "aoss" => {
            Some("OpenSearch speaks Elasticsearch's dialect; write `dialect: elasticsearch`.")
        }
        "es" | "elastic" | "elasticsearch" | "elastic-search" => Some("Write `dialect: elasticsearch`."),
        "off" | "false" | "forward" | "raw" => Some("To forward only, write `dialect: none`."),
        "chromadb" => Some("Write `dialect: chroma`."),
        "azure" | "azure-search" | "azure_ai_search" | "cognitive-search" => {
            Some("Write `dialect: azure-ai-search`.")
        }
        "supabase" | "pgvector" => Some(
            "Functions that PostgREST serves have `dialect: postgrest`; Postgres' own protocol is not HTTP: serve the \
             application's own calls (`rerank_api`).",
        ),
        "atlas" | "mongo" => Some("Write `dialect: mongodb`, for its aggregate over HTTP."),
        "marqo" | "lancedb" | "redis" | "turbopuffer" | "vald" | "zilliz" | "algolia" | "custom" => Some(
            "Of this database no dialect is known: describe it in a file (`dialect: paths`, docs/add-a-database.md), \
             forward to it (`dialect: none`), or serve the application's own calls (`rerank_api`).",
        ),
        _ => None,
    }
}

/// The kind that is meant by another name of a service.
pub(super) fn provider_kind(text: &str) -> Option<&'static str> {
    Some(match text.to_ascii_lowercase().as_str() {
        "bm25" | "local" | "none" | "offline" => "lexical",
        "huggingface" | "hf" | "text-embeddings-inference" => "tei",
        "azure" => "azure-cohere",
        "aws" | "bedrock" => "bedrock-cohere",
        "nvidia" | "nim" => "nvidia-nim",
        "voyageai" | "mongodb" => "voyage",
        "jinaai" | "jina-ai" => "jina",
        "mxbai" => "mixedbread",
        "llamacpp" | "llama" | "llama.cpp" => "llama-cpp",
        "cohere-v2" | "cohereai" | "openai-compatible" => "cohere",
        _ => return None,
    })
}
