//! Tables.

use crate::html::escape;

/// A table that scrolls sideways where the page is too narrow. The first column holds names, the others numbers.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: String,
    body: String,
    foot: String,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        let cells: String = head.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(name))).collect();
        Self { head: format!("<tr>{cells}</tr>"), ..Self::default() }
    }

    /// Adds a row; the texts are escaped here.
    pub(super) fn row(&mut self, name: &str, cells: &[String]) {
        self.body += &row(name, cells);
    }

    /// Adds a row below the line.
    pub(super) fn sum(&mut self, name: &str, cells: &[String]) {
        self.foot += &row(name, cells);
    }

    pub(super) fn html(&self) -> String {
        let Self { head, body, foot } = self;
        let foot = if foot.is_empty() { String::new() } else { format!("<tfoot>{foot}</tfoot>\n") };
        format!("<div class=\"scroll\"><table>\n<thead>{head}</thead>\n<tbody>\n{body}</tbody>\n{foot}</table></div>")
    }
}

fn row(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    format!("<tr><th scope=\"row\" dir=\"auto\">{}</th>{cells}</tr>\n", escape(name))
}
