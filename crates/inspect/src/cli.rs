//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Inspects a pretrained model: family, sizes, parameters, tensors, tokenizer, licence and head.
#[derive(Debug, Parser)]
#[command(name = "firebrand-inspect", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// A directory in the hub's layout, or a model's name on the hub (`org/name`, or `org/name@revision`).
    #[arg(value_name = "PATH_OR_HUB_NAME")]
    pub(crate) model: String,
    /// Number of labels of the new head that is described.
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u16).range(2..))]
    pub(crate) labels: u16,
    /// Prints one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Directory of the runs' downloads.
    #[arg(long, value_name = "DIR", default_value = "data/cache")]
    pub(crate) cache: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
