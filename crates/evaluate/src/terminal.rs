//! The main figures and the confusion matrix as text for a terminal.

use comfy_table::{CellAlignment, ColumnConstraint, Row, Table, Width, presets};
use firebrand_metrics::{ClassFigures, ConfusionMatrix, Figures, Interval};
use firebrand_pipeline::escape;

use crate::baseline::Baselines;
use crate::display::{count, optional, percent};

/// With more classes than this, the most confused pairs are listed instead of the matrix.
const MAX_COLUMNS: usize = 12;
/// Maximum width of row names and of column names.
const ROW_NAME: u16 = 20;
const COLUMN_NAME: u16 = 12;
/// Number of pairs listed.
const PAIRS: usize = 8;
/// With more labels than this, only those with the most wrong decisions are listed.
const MAX_LABELS: usize = 20;

/// The figures of the model and, if there are any, of the baselines.
pub(crate) fn figures(test: &Figures, baselines: Option<&Baselines>) -> Vec<String> {
    let multi_label = test.hamming_loss.is_some();
    let row = |name: &str, figures: &Figures| {
        let micro_f1 = (figures.averages.micro.f1, figures.micro_f1_interval_95);
        let macro_f1 = (Some(figures.macro_f1), figures.macro_f1_interval_95);
        let accuracy = (Some(figures.accuracy), Some(figures.accuracy_interval_95));
        let shown = if multi_label { vec![micro_f1, macro_f1, accuracy] } else { vec![accuracy, macro_f1] };
        let cells = shown.into_iter().map(|(figure, interval)| with_interval(figure, interval));
        [name.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let rows_name = format!("{} test rows", count(test.rows));
    let head: &[&str] =
        if multi_label { &["micro F1", "macro F1", "all labels correct"] } else { &["accuracy", "macro F1"] };
    let mut rows = vec![row("model", test)];
    if let Some(baselines) = baselines {
        rows.push(row("TF-IDF and logistic regression", &baselines.tfidf.test.figures));
        let majority = if multi_label { "the most frequent labels" } else { "the most frequent label" };
        rows.push(row(majority, &baselines.majority.test.figures));
    }
    table(&[&[rows_name.as_str()], head].concat(), rows, 34, 30)
}

/// `0.8370 (0.811 to 0.860)`.
fn with_interval(figure: Option<f64>, interval: Option<Interval>) -> String {
    let interval = interval.map_or_else(String::new, |Interval { low, high }| format!(" ({low:.3} to {high:.3})"));
    format!("{}{interval}", optional(figure, 4))
}

/// The decisions per label, for multi-label data.
pub(crate) fn decisions(classes: &[ClassFigures], labels: &[String]) -> Vec<String> {
    let mut shown: Vec<usize> = (0..classes.len()).collect();
    let wrong = |&label: &usize| classes[label].missed() + classes[label].false_positives();
    if classes.len() > MAX_LABELS {
        shown.sort_by_key(|label| std::cmp::Reverse(wrong(label)));
        shown.truncate(MAX_LABELS);
    }
    let rows = shown.iter().map(|&label| {
        let class = &classes[label];
        let counts = [class.hits, class.missed(), class.false_positives()].map(count);
        [labels[label].clone(), optional(class.f1, 4)].into_iter().chain(counts).collect()
    });
    let mut lines = table(&["label", "F1", "found", "missed", "wrongly assigned"], rows.collect(), ROW_NAME, 16);
    if classes.len() > MAX_LABELS {
        lines.push(format!("the {MAX_LABELS} of {} labels with the most wrong decisions", count(classes.len() as u64)));
    }
    lines
}

/// The confusion matrix if it fits, otherwise the most confused pairs.
pub(crate) fn confusion(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    if confusion.classes() > MAX_COLUMNS {
        return pairs(confusion, labels);
    }
    let head: Vec<&str> = ["true \\ predicted"].into_iter().chain(labels.iter().map(String::as_str)).collect();
    let row = |(counts, name): (&Vec<u64>, &String)| {
        [name.clone()].into_iter().chain(counts.iter().map(u64::to_string)).collect()
    };
    table(&head, confusion.rows().iter().zip(labels).map(row).collect(), ROW_NAME, COLUMN_NAME)
}

fn pairs(confusion: &ConfusionMatrix, labels: &[String]) -> Vec<String> {
    let pairs = confusion.confused_pairs();
    if pairs.is_empty() {
        return vec!["no label was predicted as another".to_owned()];
    }
    let row = |pair: &firebrand_metrics::ConfusedPair| {
        let share = percent(pair.rows as f64 / confusion.support(pair.truth) as f64);
        vec![labels[pair.truth].clone(), labels[pair.predicted].clone(), count(pair.rows), share]
    };
    let head = ["most often confused", "predicted as", "rows", "of the label"];
    table(&head, pairs.iter().take(PAIRS).map(row).collect(), ROW_NAME, ROW_NAME)
}

/// A table without lines: names on the left, at most `name` terminal columns wide, and right-aligned cells, at most `cell`
/// wide.
fn table(head: &[&str], rows: Vec<Vec<String>>, name: u16, cell: u16) -> Vec<String> {
    const GAP: u16 = 2;
    let one_line = |cells: Vec<String>| {
        // A line break would split the cell, and other control characters move the cursor.
        let mut row = Row::from(cells.iter().map(|cell| escape(cell)).collect::<Vec<_>>());
        row.max_height(1);
        row
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(one_line(head.iter().map(|&name| name.to_owned()).collect()));
    table.add_rows(rows.into_iter().map(one_line));
    for (place, column) in table.column_iter_mut().enumerate() {
        let (gap, widest) = if place == 0 { (0, name) } else { (GAP, cell + GAP) };
        column.set_padding((gap, 0)).set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(widest)));
        if place > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|label| format!("label {label}")).collect()
    }

    #[test]
    fn few_classes_are_an_aligned_table() {
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
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 3).unwrap();
        assert_eq!(
            decisions(&figures.classes, &["体育", "b", "never"].map(str::to_owned)),
            [
                "label      F1  found  missed  wrongly assigned",
                "体育   0.5000      1       1                 1",
                "b      1.0000      1       0                 0",
                "never       –      0       0                 0",
            ]
        );
    }

    #[test]
    fn of_many_labels_those_with_the_most_wrong_decisions_are_listed() {
        let truth: Vec<Vec<u32>> = (0..2000).map(|row| vec![row % 1000]).collect();
        let predicted: Vec<Vec<u32>> =
            truth.iter().map(|set| if set[0] == 700 { vec![3] } else { set.clone() }).collect();
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 1000).unwrap();
        let lines = decisions(&figures.classes, &names(1000));
        assert_eq!(lines.len(), 22);
        assert!(lines[1].starts_with("label 3 ") && lines[2].starts_with("label 700 "), "{lines:?}");
    }

    #[test]
    fn many_classes_are_listed_as_pairs() {
        let truth: Vec<u32> = (0..40).map(|row| row % 20).collect();
        let predicted: Vec<u32> = truth.iter().map(|&label| if label == 3 { 4 } else { label }).collect();
        let matrix = ConfusionMatrix::new(&truth, &predicted, 20).unwrap();
        let lines = confusion(&matrix, &names(20));
        assert_eq!(lines[1..], ["label 3                   label 4     2         100\u{a0}%"]);
        let perfect = ConfusionMatrix::new(&truth, &truth, 20).unwrap();
        assert_eq!(confusion(&perfect, &names(20)), ["no label was predicted as another"]);
    }

    #[test]
    fn a_name_cannot_control_the_terminal() {
        let matrix = ConfusionMatrix::new(&[0, 1], &[0, 1], 2).unwrap();
        let lines = confusion(&matrix, &["\u{1b}[2J\u{202e}".to_owned(), "b\n|".to_owned()]);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !line.chars().any(|c| c.is_control() || c == '\u{202e}')), "{lines:?}");
    }

    #[test]
    fn columns_are_aligned_in_any_script() {
        let matrix = ConfusionMatrix::new(&[0, 1, 2], &[0, 1, 0], 3).unwrap();
        let names = ["体育新闻和评论体育新闻和评论", "cafe\u{301}", "спорт"].map(str::to_owned);
        let lines = confusion(&matrix, &names);
        assert!(lines[1].starts_with("体育新闻和评论体育…  "), "{lines:?}");
        let widths: Vec<usize> = lines.iter().map(|line| line.width()).collect();
        assert_eq!(widths, [widths[0]; 4], "{lines:?}");
    }

    #[test]
    fn figures_come_with_their_intervals() {
        let mut test = Figures::new::<[f32; 2]>(&[0, 0, 1, 1], &[0, 1, 1, 1], None, 2).unwrap();
        test.macro_f1_interval_95 = Some(Interval { low: 0.25, high: 1.0 });
        assert_eq!(
            figures(&test, None),
            [
                "4 test rows                 accuracy                 macro F1",
                "model        0.7500 (0.301 to 0.954)  0.7333 (0.250 to 1.000)",
            ]
        );
    }
}
