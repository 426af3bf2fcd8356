//! CSV and TSV files as tables.

use firebrand_pipeline::Result;
use firebrand_tables::{BadRow, Csv};

use super::Table;

impl Table for Csv {
    fn names(&self) -> &[String] {
        self.names()
    }

    fn column(&self, column: usize) -> Result<Vec<Option<String>>> {
        Ok(self.column(column))
    }

    fn place(&self, row: usize) -> u64 {
        self.line(row)
    }

    fn bad_rows(&self) -> &[BadRow] {
        self.bad_rows()
    }

    fn notes(&self) -> &[String] {
        self.notes()
    }

    fn by_content(&self) -> Option<(usize, usize)> {
        self.by_content()
    }
}
