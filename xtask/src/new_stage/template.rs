//! The files of a new stage's crate.

use firebrand_pipeline::{OutputKind, Slot};

/// The crate's files: path and text.
pub(crate) fn files(slot: Slot, name: &str) -> Vec<(&'static str, String)> {
    [
        ("Cargo.toml", include_str!("template/Cargo.toml.in")),
        ("README.md", include_str!("template/README.md.in")),
        ("src/lib.rs", include_str!("template/lib.rs.in")),
        ("src/main.rs", include_str!("template/main.rs.in")),
    ]
    .map(|(path, text)| (path, fill(text, slot, name)))
    .to_vec()
}

fn fill(text: &str, slot: Slot, name: &str) -> String {
    let upper = camel(slot.name());
    let stage = camel(name);
    // The new stage must not shadow the built-in one that it calls.
    let stage = if stage == upper || stage == "Stage" { format!("{stage}Stage") } else { stage };
    let values = [
        ("{{name}}", name.to_owned()),
        ("{{crate}}", name.replace('-', "_")),
        ("{{stage}}", stage),
        ("{{slot}}", slot.name().to_owned()),
        ("{{Slot}}", upper),
        ("{{reads}}", reads(slot)),
        ("{{writes}}", writes(slot)),
    ];
    values.into_iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, &value))
}

/// `my-clean` as `MyClean`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split(['-', '_']).map(capital).collect()
}

fn reads(slot: Slot) -> String {
    if slot.inputs().is_empty() {
        return "//! Reads only its configuration.".to_owned();
    }
    let mut lines = vec!["//! Reads, with `io.input(Slot::…, \"…\")`:".to_owned()];
    for input in slot.inputs() {
        let paths: Vec<_> = input.outputs().iter().map(|output| format!("`{}`", output.path)).collect();
        lines.push(format!("//! - from `{input}`: {}", paths.join(", ")));
    }
    lines.join("\n")
}

fn writes(slot: Slot) -> String {
    let mut lines = vec!["//! Writes, with `io.output(\"…\")`; the runner checks that they exist:".to_owned()];
    for output in slot.outputs() {
        let kind = match output.kind {
            OutputKind::Parquet => "a Parquet file",
            OutputKind::Json => "a JSON document",
            OutputKind::JsonLines => "a JSON document per line",
            OutputKind::File => "a file",
            OutputKind::Directory => "a directory",
        };
        let optional = if output.required { "" } else { ", optional" };
        lines.push(format!("//! - `{}`: {kind}{optional}", output.path));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled_for_every_slot() {
        for slot in Slot::ALL {
            for (path, text) in files(slot, "my-own") {
                assert!(!text.contains("{{"), "{path} of {slot}:\n{text}");
            }
        }
    }

    #[test]
    fn the_built_in_stage_is_not_shadowed() {
        let lib = fill("{{stage}} {{Slot}}", Slot::Clean, "clean");
        assert_eq!(lib, "CleanStage Clean");
        assert_eq!(fill("{{stage}}", Slot::Clean, "my-clean"), "MyClean");
    }
}
