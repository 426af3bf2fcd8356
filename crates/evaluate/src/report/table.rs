//! Tables.

use maud::{Markup, html};

/// A table that scrolls sideways if the page is too narrow. The first column contains names, the others numbers.
#[derive(Debug, Default)]
pub(super) struct Table {
    head: Vec<String>,
    body: Vec<Row>,
    foot: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    cells: Vec<String>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { head: head.iter().map(|&name| name.to_owned()).collect(), ..Self::default() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, name: &str, cells: &[String]) {
        self.body.push(Row { name: name.to_owned(), cells: cells.to_vec() });
    }

    /// Adds a row to the footer.
    pub(super) fn sum(&mut self, name: &str, cells: &[String]) {
        self.foot.push(Row { name: name.to_owned(), cells: cells.to_vec() });
    }

    pub(super) fn html(&self) -> Markup {
        html! {
            div class="scroll" {
                table {
                    thead { tr { @for name in &self.head { th scope="col" { (name) } } } }
                    tbody { @for row in &self.body { (row.html()) "\n" } }
                    @if !self.foot.is_empty() {
                        tfoot { @for row in &self.foot { (row.html()) "\n" } }
                    }
                }
            }
        }
    }
}

impl Row {
    fn html(&self) -> Markup {
        html! { tr { th scope="row" dir="auto" { (self.name) } @for cell in &self.cells { td { (cell) } } } }
    }
}
