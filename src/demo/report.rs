//! Two orders side by side, as plain text.

use std::fmt::Write;

/// The widest line.
pub const WIDTH: usize = 100;
const TITLE: usize = 34;

/// One place of an order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// The passage.
    pub id: u64,
    /// Its title.
    pub title: &'a str,
    /// The score that this order is by.
    pub score: Option<f32>,
    /// Its grade as an answer to the question, 0 for none.
    pub grade: u32,
}

/// The first `places` of both orders: the database's on the left, the reranked one with moves on the right,
/// and under each its measure. A star marks known answers.
pub fn question_table(
    question: &str,
    before: &[Row<'_>],
    after: &[Row<'_>],
    measures: (f64, f64),
    places: usize,
) -> String {
    let mut out = format!("{}\n", clip(question, WIDTH));
    let _ = writeln!(out, "  # {} | {}   move", side("database", "score"), side("reranked", "score"));
    for place in 0..places.min(before.len().max(after.len())) {
        let left = before.get(place).map_or_else(|| side("", ""), cell);
        let right = after.get(place).map_or_else(|| side("", ""), cell);
        let moved = after.get(place).map_or(String::new(), |row| change(before, row.id, place));
        let line = format!("{:>3} {left} | {right} {moved:>6}", place + 1);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let measure = |value: f64| side(&format!("nDCG@{places}"), &format!("{value:.3}"));
    let _ = writeln!(out, "    {} | {}", measure(measures.0), measure(measures.1));
    out
}

fn cell(row: &Row<'_>) -> String {
    let star = if row.grade > 0 { "* " } else { "  " };
    let score = row.score.map_or("-".to_owned(), |score| format!("{score:.3}"));
    side(&format!("{star}{}", row.title), &score)
}

fn side(text: &str, number: &str) -> String {
    let text = clip(text, TITLE);
    let pad = TITLE - text.chars().count();
    format!("{text}{:pad$} {number:>7}", "")
}

/// How far up (`+`) or down a passage came.
fn change(before: &[Row<'_>], id: u64, place: usize) -> String {
    match before.iter().position(|row| row.id == id) {
        Some(was) if was == place => "=".into(),
        Some(was) if was > place => format!("+{}", was - place),
        Some(was) => format!("-{}", place - was),
        None => "new".into(),
    }
}

fn clip(text: &str, width: usize) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, title: &str, score: f32, grade: u32) -> Row<'_> {
        Row { id, title, score: Some(score), grade }
    }

    #[test]
    fn both_orders_stand_side_by_side_with_moves() {
        let before = [row(1, "Salt", 0.9, 0), row(2, "Bread", 0.8, 3), row(3, "Oil", 0.7, 0)];
        let after = [row(2, "Bread", 0.95, 3), row(1, "Salt", 0.1, 0), row(4, "Knife", 0.01, 0)];
        let table = question_table("soft bread?", &before, &after, (0.63, 1.0), 5);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "soft bread?");
        let words = |line: usize| lines[line].split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words(2), "1 Salt 0.900 | * Bread 0.950 +1");
        assert_eq!(words(3), "2 * Bread 0.800 | Salt 0.100 -1");
        assert_eq!(words(4), "3 Oil 0.700 | Knife 0.010 new");
        assert_eq!(words(5), "nDCG@5 0.630 | nDCG@5 1.000");
        assert_eq!(lines.len(), 6);
    }

    #[test]
    fn no_line_is_wider_than_the_page() {
        let long = "Wörter ".repeat(40);
        let rows = vec![row(1, &long, -0.123_456, 1); 120];
        let table = question_table(&long, &rows, &rows, (0.5, 0.5), 120);
        assert!(table.lines().all(|line| line.chars().count() <= WIDTH), "{table}");
    }
}
