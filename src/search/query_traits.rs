//! [`QueryTraits`]: what the text of a query looks like, by which [`crate::search::SkipRule`] tells kinds of queries apart.

use unicode_segmentation::UnicodeSegmentation;

/// What a query looks like. No text: it may be kept where the text may not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryTraits {
    /// See [`is_identifier`].
    pub identifier: bool,
    /// See [`is_phrase`].
    pub phrase: bool,
    /// See [`is_question`].
    pub question: bool,
    /// Its words (UAX #29).
    pub words: usize,
}

impl QueryTraits {
    /// Of a query's text.
    pub fn of(query: &str) -> Self {
        let query = query.trim();
        Self {
            identifier: is_identifier(query),
            phrase: is_phrase(query),
            question: is_question(query),
            words: query.unicode_words().count(),
        }
    }
}

/// Opening and closing quotation marks.
const QUOTES: [(char, char); 7] =
    [('"', '"'), ('“', '”'), ('„', '“'), ('„', '”'), ('«', '»'), ('»', '«'), ('「', '」')];

/// From here on are scripts that are written without spaces: a word there is as long as a sentence.
const WITHOUT_SPACES: char = '\u{e00}';

/// Whether it looks like the name of one thing: a single word with a digit in it, or with a sign between other characters
/// (`SKU-4711`, `INV/2024/17`, `ada@example.org`, `com.example.Main`). A hyphen alone makes none.
pub fn is_identifier(query: &str) -> bool {
    let is_sign = |c: char| matches!(c, '_' | '/' | '\\' | '@' | ':' | '.' | '#' | '=' | '+');
    let is_sentence = query.chars().any(|c| c >= WITHOUT_SPACES && c.is_alphabetic());
    let inside = query.trim_matches(|c: char| !c.is_alphanumeric());
    !inside.is_empty()
        && !is_sentence
        && !query.contains(char::is_whitespace)
        && (inside.contains(char::is_numeric) || inside.contains(is_sign))
}

/// Whether it is one phrase in quotation marks.
pub fn is_phrase(query: &str) -> bool {
    let inside = |(open, close): &(char, char)| query.strip_prefix(*open)?.strip_suffix(*close);
    let is_one = |inside: &str| {
        !inside.trim().is_empty() && !inside.contains(['"', '“', '”', '„', '«', '»', '「', '」'])
    };
    QUOTES.iter().filter_map(inside).any(is_one)
}

/// Whether it has at most so many words.
pub fn has_at_most(query: &str, most: u64) -> bool {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    query.unicode_words().take(most.saturating_add(1)).count() <= most
}

/// The question marks of Latin, Greek, Arabic, Armenian, Ethiopic and full-width writing.
const QUESTION_MARKS: [char; 6] = ['?', '\u{37e}', '؟', '՞', '፧', '？'];

/// Words that begin a question. One that begins other queries too, in whichever of these languages (French `comment`,
/// Italian `cosa`, Portuguese `onde`, Dutch `wat`), is not among them.
const INTERROGATIVES: [&str; 8] = [
    "what whats who whos whom whose when where wheres which why how hows",
    "wer wen wem wessen wann wo wohin woher warum weshalb wieso weswegen wie wieviel wieviele womit wodurch",
    "welche welcher welches welchen welchem",
    "quoi quand où pourquoi quels quelles lequel laquelle",
    "qué quién quiénes cuándo dónde cómo cuál cuáles cuánto cuánta cuántos cuántas quem quando qual quais",
    "perché quale quali quanto cos'è",
    "waarom wanneer waar hoeveel welke",
    "что кто где когда почему как",
];

/// English verbs that begin a question where one of [`SUBJECTS`] follows: `can i`, but not `can opener`.
const VERBS: [&str; 19] = [
    "is", "are", "was", "were", "am", "do", "does", "did", "can", "could", "should", "would", "will", "has",
    "have", "had", "may", "must", "might",
];
const SUBJECTS: [&str; 26] = [
    "a", "an", "the", "i", "you", "we", "he", "she", "it", "they", "there", "this", "that", "these", "those",
    "my", "your", "our", "their", "his", "her", "any", "anyone", "anybody", "someone", "one",
];

/// What follows where it is no question after all: `do it yourself`, `may the fourth`, `whats app`.
const OTHERS: [(&str, &[&str]); 5] = [
    ("do", &["a", "an", "it", "this", "that", "my", "your", "our", "one"]),
    ("may", &["the"]),
    ("whats", &["app"]),
    ("waar", &["gebeurd", "gebeurde"]),
    ("qual", &["der"]),
];

/// How questions begin and end where words are not separated: Chinese, Japanese.
const BEGINNINGS: [&str; 14] = [
    "为什么",
    "為什麼",
    "怎么",
    "怎麼",
    "什么",
    "什麼",
    "如何",
    "なぜ",
    "どうして",
    "どうすれば",
    "どうしたら",
    "どうやって",
    "どうやったら",
    "どの",
];
const ENDINGS: [&str; 4] = ["吗", "嗎", "ですか", "ますか"];

/// Whether it is a question: of two words or more, it ends with a question mark or begins as a question does in English,
/// German, French, Spanish, Portuguese, Italian, Dutch, Russian, Chinese or Japanese. A guess, by words alone.
pub fn is_question(query: &str) -> bool {
    let mut words = query.unicode_words();
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    let unended =
        query.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '。' | '!' | ')' | '"'));
    if unended.ends_with(QUESTION_MARKS) || query.starts_with('¿') {
        return true;
    }
    // The World Health Organization asks nothing, and a how-to is a thing.
    let is_name =
        (is_upper(first) && query.contains(char::is_lowercase)) || query.starts_with(&format!("{first}-"));
    let (first, second) = (plain(first), plain(second));
    let stem = first.strip_suffix("'s").unwrap_or(&first);
    if OTHERS.iter().any(|(word, next)| *word == first && next.contains(&second.as_str())) {
        return false;
    }
    (INTERROGATIVES.iter().any(|words| words.split(' ').any(|word| word == stem)) && !is_name)
        || (VERBS.contains(&first.as_str()) && SUBJECTS.contains(&second.as_str()))
        || (matches!(first.as_str(), "est" | "qu'est") && second == "ce")
        || (matches!(first.as_str(), "qui" | "quel" | "quelle") && matches!(second.as_str(), "est" | "sont"))
        || BEGINNINGS.iter().any(|beginning| query.starts_with(beginning))
        || ENDINGS.iter().any(|ending| unended.ends_with(ending))
}

/// Whether it is of several letters, all of them capital ones.
fn is_upper(word: &str) -> bool {
    word.chars().count() > 1 && word.chars().all(char::is_uppercase)
}

/// In small letters, with a plain apostrophe.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('’', "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_thing_is_an_identifier() {
        for one in [
            "SKU-4711",
            "INV/2024/17",
            "ada@example.org",
            "com.example.Main",
            "E_ACCESS",
            "550e8400-e29b-41d4-a716-446655440000",
            "#4711",
            "https://example.org/a?b=c",
            "4711",
        ] {
            assert!(is_identifier(one), "{one}");
        }
        for other in [
            "refund",
            "well-being",
            "refund SKU-4711",
            "what is 4711?",
            "",
            "?",
            "Zürich.",
            "日本語",
            "2024年度の払い戻し規定は",
        ] {
            assert!(!is_identifier(other), "{other}");
        }
    }

    #[test]
    fn what_is_all_in_quotation_marks_is_a_phrase() {
        for phrase in ["\"to be or not\"", "“to be”", "«être»", "„sein“"] {
            assert!(is_phrase(phrase), "{phrase}");
        }
        for other in [
            "to be",
            "\"to be\" or \"not\"",
            "「東京」 OR 「大阪」",
            "\"to be\" he said",
            "\"",
            "\"\"",
            "\" \"",
        ] {
            assert!(!is_phrase(other), "{other}");
        }
    }

    #[test]
    fn questions_are_known_by_their_mark_or_their_beginning_in_several_languages() {
        for question in [
            "what similarity laws must be obeyed when constructing aeroelastic models",
            "How do I bake bread",
            "WHO IS WHO",
            "bread without yeast?",
            "bread without yeast ? ",
            "(is this it?)",
            "what's new",
            "what’s new",
            "can i use a heated wing .",
            "has anyone investigated relaxation effects",
            "is it possible",
            "Wie lange backt Brot",
            "warum ist der Himmel blau",
            "qu'est-ce que le pain",
            "est-ce que le pain",
            "où acheter du pain",
            "quelle est la recette",
            "¿cómo se hace",
            "cuánto cuesta",
            "quem faz pão",
            "perché il cielo è blu",
            "waarom is de lucht blauw",
            "как испечь хлеб",
            "ما هو الخبز؟",
            "为什么天空是蓝色的",
            "これは何ですか",
        ] {
            assert!(is_question(question), "{question}");
        }
        for other in [
            "",
            "?",
            "bread",
            "what",
            "te?t",
            "refund?",
            "red shoes",
            "can opener",
            "will smith films",
            "comment section in html",
            "WHO guidelines on sugar",
            "WHO COVID guidelines",
            "do it yourself kitchen",
            "whats app web",
            "Quelle Katalog",
            "quelle scarpe rosse",
            "qui vicino",
            "waar gebeurde films",
            "どうぶつの森",
            "how-to-solder.pdf",
            "how-to guides",
            "the who albums",
            "日本語の文法",
            "https://example.org/a?b=c",
        ] {
            assert!(!is_question(other), "{other}");
        }
    }

    #[test]
    fn all_of_it_is_told_at_once_whatever_stands_around_it() {
        let traits = QueryTraits::of(" \"to be or not\" ");
        assert_eq!(traits, QueryTraits { phrase: true, words: 4, ..QueryTraits::default() });
        assert!(QueryTraits::of(" SKU-4711 ").identifier && QueryTraits::of(" what is it ").question);
        assert_eq!(QueryTraits::of("").words, 0);
    }
}
