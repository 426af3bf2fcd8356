//! Where the user sets what hints name.

/// Where the user sets how tables are read: messages name settings accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// Keys of the section `[clean]` of a configuration: `text_column`.
    Configuration,
    /// Options of a command: `--text-column`.
    CommandLine,
}

impl Interface {
    /// A setting's name.
    pub fn key(self, key: &str) -> String {
        match self {
            Self::Configuration => format!("`{key}`"),
            Self::CommandLine => format!("`{}`", option(key)),
        }
    }

    /// A setting with a value. Only `true` and `false` are no strings.
    pub fn set(self, key: &str, value: &str) -> String {
        match self {
            Self::Configuration if matches!(value, "true" | "false") => format!("`{key} = {value}`"),
            Self::Configuration => format!("`{key} = {value:?}`"),
            Self::CommandLine => format!("`{} {}`", option(key), argument(value)),
        }
    }

    /// What stands behind the first setting in a sentence.
    pub fn place(self) -> &'static str {
        match self {
            Self::Configuration => " below [clean]",
            Self::CommandLine => "",
        }
    }

    /// Advice to name something, such as a column.
    pub fn name(self, what: &str, key: &str, value: &str) -> String {
        match self {
            Self::Configuration => format!("name {what} below [clean]: {key} = \"{value}\""),
            Self::CommandLine => format!("name {what}: {} {}", option(key), argument(value)),
        }
    }
}

fn option(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// A value as a shell takes it.
fn argument(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '…');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_where_they_are_set() {
        let (file, line) = (Interface::Configuration, Interface::CommandLine);
        assert_eq!(
            (file.key("text_column"), line.key("text_column")),
            ("`text_column`".into(), "`--text-column`".into())
        );
        assert_eq!(
            (file.set("quote", "\""), line.set("quote", "\"")),
            ("`quote = \"\\\"\"`".into(), "`--quote '\"'`".into())
        );
        assert_eq!(
            (file.set("header", "false"), line.set("header", "false")),
            ("`header = false`".into(), "`--header false`".into())
        );
        assert_eq!(file.name("it", "text_column", "a b"), "name it below [clean]: text_column = \"a b\"");
        assert_eq!(line.name("it", "text_column", "a b's"), "name it: --text-column 'a b'\\''s'");
    }
}
