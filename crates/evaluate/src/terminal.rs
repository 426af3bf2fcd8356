//! The main figures and the confusion matrix as lines for a terminal.

use firebrand_metrics::{ClassFigures, ConfusionMatrix, Figures};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::baseline::Baselines;
use crate::html::{count, percent};

/// More classes than this do not fit side by side: the worst pairs are listed instead.
const MOST_COLUMNS: usize = 12;
/// The widest name beside a row, and above a column.
const ROW_NAME: usize = 20;
const COLUMN_NAME: usize = 12;
/// How many pairs are listed.
const PAIRS: usize = 8;

/// The figures of the model and, where measured, of the baselines.
pub(crate) fn figures(test: &Figures, baselines: Option<&Baselines>) -> Vec<String> {
    let several = test.hamming_loss.is_some();
    let line = |name: &str, figures: &Figures| {
        let (accuracy, f1) = (figures.accuracy, figures.averages);
        if several {
            let (micro, macro_) = (f1.micro.f1, f1.macro_.f1);
            format!("{name:<30} micro F1 {micro:.4}   macro F1 {macro_:.4}   all labels right {accuracy:.4}")
        } else {
            format!("{name:<30} accuracy {accuracy:.4}   macro F1 {:.4}", figures.macro_f1)
        }
    };
    let interval = test.accuracy_interval_95;
    let mut lines = vec![format!(
        "{}   (95 % interval {:.4} to {:.4}, {} test rows)",
        line("model", test),
        interval.low,
        interval.high,
        count(test.rows)
    )];
    if let Some(baselines) = baselines {
        lines.push(line("TF-IDF and logistic regression", &baselines.classic.test));
        let majority = if several { "the most frequent labels" } else { "the most frequent label" };
        lines.push(line(majority, &baselines.majority.test));
    }
    lines
}

/// What became of the decisions about each label, where rows have any number of them.
pub(crate) fn decisions(classes: &[ClassFigures], labels: &[String]) -> Vec<String> {
    const HEAD: &str = "label";
    let names: Vec<String> = labels.iter().map(|name| visible(name, ROW_NAME)).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or_default().max(HEAD.len());
    let columns = ["F1", "found", "missed", "wrongly given"];
    let mut lines = vec![columns.iter().fold(format!("{HEAD:<width$}"), |line, name| format!("{line}  {name:>8}"))];
    for (name, class) in names.iter().zip(classes) {
        let Decisions { found, missed, wrong } = Decisions::of(class);
        lines.push(format!("{name}{}  {:>8.4}  {found:>8}  {missed:>8}  {wrong:>13}", gap(name, width), class.f1));
    }
    lines
}

/// Rows of a label that were given it or not, and others that were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decisions {
    pub(crate) found: u64,
    pub(crate) missed: u64,
    pub(crate) wrong: u64,
}

impl Decisions {
    pub(crate) fn of(class: &ClassFigures) -> Self {
        // A share of the rows back into rows.
        let found = (class.recall * class.support as f64).round() as u64;
        Self { found, missed: class.support - found, wrong: class.predicted - found }
    }
}

/// The confusion matrix where it fits, else the pairs that are confused most.
pub(crate) fn confusion(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    if confusion.classes() <= MOST_COLUMNS { matrix(confusion, labels) } else { pairs(confusion, labels) }
}

fn matrix(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    const CORNER: &str = "true \\ predicted";
    let beside: Vec<String> = labels.iter().map(|name| visible(name, ROW_NAME)).collect();
    let above: Vec<String> = labels.iter().map(|name| visible(name, COLUMN_NAME)).collect();
    let left = beside.iter().map(|name| name.width()).max().unwrap_or_default().max(CORNER.len());
    let width = |column: usize| {
        let widest = (0..confusion.classes()).map(|row| confusion.count(row, column).to_string().len()).max();
        widest.unwrap_or_default().max(above[column].width())
    };
    let widths: Vec<usize> = (0..confusion.classes()).map(width).collect();
    let mut lines = vec![
        above
            .iter()
            .zip(&widths)
            .fold(format!("{CORNER:<left$}"), |line, (name, width)| format!("{line}  {}{name}", gap(name, *width))),
    ];
    for (row, name) in confusion.rows().iter().zip(&beside) {
        let line = row
            .iter()
            .zip(&widths)
            .fold(format!("{name}{}", gap(name, left)), |line, (cell, width)| format!("{line}  {cell:>width$}"));
        lines.push(line);
    }
    lines
}

fn pairs(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    let pairs = worst_pairs(confusion);
    if pairs.is_empty() {
        return vec!["no label was taken for another".to_owned()];
    }
    let mut lines = vec!["most often confused (true label → predicted label):".to_owned()];
    for (truth, predicted) in pairs.into_iter().take(PAIRS) {
        let rows = confusion.count(truth, predicted);
        let share = percent(rows as f64 / confusion.support(truth) as f64);
        let [truth, predicted] = [truth, predicted].map(|label| visible(&labels[label], ROW_NAME));
        lines.push(format!("{:>7}  {truth} → {predicted} ({share})", count(rows)));
    }
    lines
}

/// Pairs of a true label and another that it was taken for, the most frequent first; of equals, the earlier labels.
pub(crate) fn worst_pairs(confusion: &ConfusionMatrix) -> Vec<(usize, usize)> {
    let classes = confusion.classes();
    let all = (0..classes).flat_map(|truth| (0..classes).map(move |predicted| (truth, predicted)));
    let mut pairs: Vec<(usize, usize)> =
        all.filter(|&(truth, predicted)| truth != predicted && confusion.count(truth, predicted) > 0).collect();
    pairs.sort_by_key(|&(truth, predicted)| std::cmp::Reverse(confusion.count(truth, predicted)));
    pairs
}

/// A name that can neither move a terminal's cursor nor turn its direction of writing, at most `limit` columns wide.
fn visible(name: &str, limit: usize) -> String {
    let moves = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let name: String = name.chars().map(|c| if moves(c) { '\u{fffd}' } else { c }).collect();
    if name.width() <= limit {
        return name;
    }
    let mut width = 1;
    let fits = |c: &char| {
        width += c.width().unwrap_or_default();
        width <= limit
    };
    name.chars().take_while(fits).chain(['…']).collect()
}

/// The spaces that make a name `width` columns wide: a Chinese character takes two of them, an accent none.
fn gap(name: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(name.width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|label| format!("label {label}")).collect()
    }

    #[test]
    fn few_classes_are_a_table_with_straight_columns() {
        let matrix = ConfusionMatrix::new(&[0, 0, 1, 1, 1], &[0, 1, 1, 1, 0], 2).unwrap();
        let lines = confusion(&matrix, &["a very long name of a label".to_owned(), "no".to_owned()]);
        assert_eq!(
            lines,
            [
                "true \\ predicted      a very long…  no",
                "a very long name of…             1   1",
                "no                               1   2",
            ]
        );
    }

    #[test]
    fn decisions_are_counted_for_each_label() {
        let (truth, predicted) = ([vec![0], vec![0, 1], vec![]], [vec![0], vec![1], vec![0]]);
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 2).unwrap();
        assert_eq!(
            decisions(&figures.classes, &["体育".to_owned(), "b".to_owned()]),
            [
                "label        F1     found    missed  wrongly given",
                "体育     0.5000         1         1              1",
                "b        1.0000         1         0              0",
            ]
        );
    }

    #[test]
    fn many_classes_are_their_worst_pairs() {
        let truth: Vec<u32> = (0..40).map(|row| row % 20).collect();
        let predicted: Vec<u32> = truth.iter().map(|&label| if label == 3 { 4 } else { label }).collect();
        let matrix = ConfusionMatrix::new(&truth, &predicted, 20).unwrap();
        let lines = confusion(&matrix, &names(20));
        assert_eq!(lines[1..], ["      2  label 3 → label 4 (100\u{a0}%)"]);
        let perfect = ConfusionMatrix::new(&truth, &truth, 20).unwrap();
        assert_eq!(confusion(&perfect, &names(20)), ["no label was taken for another"]);
    }

    #[test]
    fn a_name_cannot_send_commands_to_the_terminal() {
        let matrix = ConfusionMatrix::new(&[0, 1], &[0, 1], 2).unwrap();
        let lines = confusion(&matrix, &["\u{1b}[2J\u{202e}".to_owned(), "b\n".to_owned()]);
        assert!(lines.iter().all(|line| !line.chars().any(|c| c.is_control() || c == '\u{202e}')), "{lines:?}");
    }

    #[test]
    fn columns_are_straight_in_any_script() {
        let matrix = ConfusionMatrix::new(&[0, 1, 2], &[0, 1, 0], 3).unwrap();
        let names = ["体育新闻和评论体育新闻和评论", "cafe\u{301}", "спорт"].map(str::to_owned);
        let lines = confusion(&matrix, &names);
        assert!(lines[1].starts_with("体育新闻和评论体育…  "), "{lines:?}");
        let widths: Vec<usize> = lines.iter().map(|line| line.width()).collect();
        assert_eq!(widths, [widths[0]; 4], "{lines:?}");
    }
}
