//! Lines and tables of plain text.

use std::fmt::Write;

/// Columns of the page.
pub(super) const WIDTH: usize = 100;

/// A line, wrapped at blanks; what follows stands two columns further in.
pub(super) fn line(out: &mut String, text: &str) {
    for paragraph in text.split('\n') {
        let indent = paragraph.len() - paragraph.trim_start_matches(' ').len();
        out.push_str(&" ".repeat(indent));
        let mut width = indent;
        for (at, word) in paragraph.split_whitespace().enumerate() {
            let length = word.chars().count();
            if at > 0 && width + 1 + length > WIDTH {
                let _ = write!(out, "\n{:width$}", "", width = indent + 2);
                width = indent + 2;
            } else if at > 0 {
                out.push(' ');
                width += 1;
            }
            out.push_str(word);
            width += length;
        }
        out.push('\n');
    }
}

/// A row of a table: the first cell left, the others right.
pub(super) fn row(out: &mut String, first: &str, cells: &[&str]) {
    let _ = write!(out, "  {:<26}", clip(first, 26));
    for cell in cells {
        let _ = write!(out, " {cell:>10}");
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

pub(super) fn clip(text: &str, width: usize) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
