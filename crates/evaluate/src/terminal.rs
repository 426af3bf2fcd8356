//! The main figures and the confusion matrix as lines for a terminal.

use firebrand_metrics::{ConfusionMatrix, Figures};

use crate::baseline::Baselines;
use crate::html::{count, percent, shorten};

/// More classes than this do not fit side by side: the worst pairs are listed instead.
const MOST_COLUMNS: usize = 12;
/// The longest name beside a row, and above a column.
const ROW_NAME: usize = 20;
const COLUMN_NAME: usize = 12;
/// How many pairs are listed.
const PAIRS: usize = 8;

/// The figures of the model and, where measured, of the baselines.
pub(crate) fn figures(test: &Figures, baselines: Option<&Baselines>) -> Vec<String> {
    let line = |name: &str, figures: &Figures| {
        format!("{name:<30} accuracy {:.4}   macro F1 {:.4}", figures.accuracy, figures.macro_f1)
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
        lines.push(line("the most frequent label", &baselines.majority.test));
    }
    lines
}

/// The confusion matrix where it fits, else the pairs that are confused most.
pub(crate) fn confusion(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    if confusion.classes() <= MOST_COLUMNS { matrix(confusion, labels) } else { pairs(confusion, labels) }
}

fn matrix(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    let plain = |name: &String, limit| shorten(&visible(name), limit);
    let beside: Vec<String> = labels.iter().map(|name| plain(name, ROW_NAME)).collect();
    let above: Vec<String> = labels.iter().map(|name| plain(name, COLUMN_NAME)).collect();
    let left = beside.iter().map(|name| name.chars().count()).max().unwrap_or_default().max("true \\ predicted".len());
    let width = |column: usize| {
        let widest = (0..confusion.classes()).map(|row| confusion.count(row, column).to_string().len()).max();
        widest.unwrap_or_default().max(above[column].chars().count())
    };
    let widths: Vec<usize> = (0..confusion.classes()).map(width).collect();
    let mut lines = vec![
        above
            .iter()
            .zip(&widths)
            .fold(format!("{:<left$}", "true \\ predicted"), |line, (name, width)| format!("{line}  {name:>width$}")),
    ];
    for (row, name) in confusion.rows().iter().zip(&beside) {
        let line = row
            .iter()
            .zip(&widths)
            .fold(format!("{name:<left$}"), |line, (cell, width)| format!("{line}  {cell:>width$}"));
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
        let [truth, predicted] = [truth, predicted].map(|label| shorten(&visible(&labels[label]), ROW_NAME));
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

/// A name that cannot move a terminal's cursor.
fn visible(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
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
        let lines = confusion(&matrix, &["\u{1b}[2J".to_owned(), "b\n".to_owned()]);
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control)), "{lines:?}");
    }
}
