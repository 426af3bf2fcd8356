//! The confusion matrix as a chart: rows are true labels, columns predicted labels; the shade is the share of the row.

use firebrand_metrics::ConfusionMatrix;
use maud::{Markup, html};

use super::{Drawing, number, path, rect, rotated, text, text_width, widest};
use crate::display::{count, percent, rows, shorten};

/// With more labels than this, only those that are confused most are drawn.
const MAX_LABELS: usize = 40;
/// Longer names are shortened; the tooltips show them in full.
const LONGEST_NAME: usize = 22;

const TITLE: &str = "Confusion matrix of the test split";

/// The confusion matrix to draw: all labels, or those that are confused most.
#[derive(Debug)]
pub(crate) struct Confusion<'a> {
    matrix: &'a ConfusionMatrix,
    labels: &'a [String],
    /// The labels that are drawn, in the order of the label map.
    shown: Vec<usize>,
}

impl<'a> Confusion<'a> {
    pub(crate) fn new(matrix: &'a ConfusionMatrix, labels: &'a [String]) -> Self {
        let mut shown: Vec<usize> = (0..matrix.classes()).collect();
        if shown.len() > MAX_LABELS {
            let wrong =
                |&label: &usize| matrix.support(label) + matrix.predicted(label) - 2 * matrix.count(label, label);
            let order = |label: &usize| std::cmp::Reverse((wrong(label), matrix.support(*label)));
            shown.sort_by_cached_key(order);
            shown.truncate(MAX_LABELS);
            shown.sort_unstable();
        }
        Self { matrix, labels, shown }
    }

    /// Which labels are drawn, if not all are.
    pub(crate) fn note(&self) -> Option<String> {
        let all = self.matrix.classes();
        (self.shown.len() < all)
            .then(|| format!("The {} of {} labels that are confused most", self.shown.len(), count(all as u64)))
    }

    /// The chart as part of a page.
    pub(crate) fn embedded(&self) -> Markup {
        self.draw().embedded(TITLE)
    }

    /// The chart as a standalone file.
    pub(crate) fn standalone(&self) -> String {
        let Drawing { width, height, content } = self.draw();
        let shade = "Shade: share of the true label's rows (teal: correct, orange: wrong)";
        let notes = [Some(shade.to_owned()), self.note()];
        let notes = notes.iter().flatten().enumerate();
        let content = html! {
            (content)
            @for (line, note) in notes {
                (text(14.0, height + 14.0 + 18.0 * line as f64, 11.0, "start", "muted", note))
            }
        };
        let below = if self.note().is_some() { 52.0 } else { 34.0 };
        Drawing { width: width.max(430.0), height: height + below, content }.standalone(TITLE)
    }

    fn draw(&self) -> Drawing {
        let layout = Layout::new(&self.shown, self.labels);
        let (left, top, side) = (layout.left, layout.top, layout.side());
        let below = top + side + layout.below();
        let content = html! {
            (rect("empty", left, top, side, side))
            @for (row, &truth) in self.shown.iter().enumerate() {
                @for (column, &predicted) in self.shown.iter().enumerate() {
                    @if self.matrix.count(truth, predicted) > 0 {
                        (self.cell(&layout, (row, truth), (column, predicted)))
                    }
                }
            }
            (layout.grid())
            (self.names(&layout))
            (text(left + side / 2.0, below + 12.0, 12.0, "middle", "strong", "Predicted label"))
            (rotated(16.0, top + side / 2.0, -90, text(0.0, 0.0, 12.0, "middle", "strong", "True label")))
        };
        Drawing { width: left + side + 14.0, height: below + 24.0, content }
    }

    /// A cell with a tooltip, and with its number if there is room. Positions in the chart are paired with label indices.
    fn cell(&self, layout: &Layout, (row, truth): (usize, usize), (column, predicted): (usize, usize)) -> Markup {
        let counted = self.matrix.count(truth, predicted);
        let size = layout.cell;
        let share = counted as f64 / self.matrix.support(truth) as f64;
        let (x, y) = (layout.left + column as f64 * size, layout.top + row as f64 * size);
        let name = |label: usize| self.labels.get(label).map_or("?", String::as_str);
        let tone = if truth == predicted { "right" } else { "wrong" };
        let opacity = 0.10 + 0.90 * share;
        let ink = if opacity > 0.55 { "on" } else { "" };
        let middle = x + size / 2.0;
        let shown = count(counted);
        let font = (size * 0.30).clamp(8.0, 22.0).min((size - 2.0) / text_width(&shown, 1.0));
        html! {
            g {
                title {
                    "true " (name(truth)) ", predicted " (name(predicted)) ": " (rows(counted)) " (" (percent(share))
                    " of the true label)"
                }
                rect class=(tone) x=(number(x)) y=(number(y)) width=(number(size)) height=(number(size))
                    fill-opacity=(number(opacity)) {}
                @if size >= 64.0 {
                    (text(middle, y + size * 0.5 + 2.0, font, "middle", &format!("strong {ink}"), &shown))
                    (text(middle, y + size * 0.5 + 19.0, 11.5, "middle", ink, &percent(share)))
                } @else if font >= 7.5 {
                    (text(middle, y + size / 2.0 + font * 0.36, font, "middle", ink, &shown))
                }
            }
        }
    }

    fn names(&self, layout: &Layout) -> Markup {
        let (size, cell) = (layout.name_size, layout.cell);
        let below = layout.top + layout.side();
        html! {
            @for (place, (name, &label)) in layout.names.iter().zip(&self.shown).enumerate() {
                @let middle = (place as f64 + 0.5) * cell;
                g {
                    title { (self.labels.get(label).map_or("?", String::as_str)) }
                    (text(layout.left - 8.0, layout.top + middle + size * 0.36, size, "end", "", name))
                    @if layout.level {
                        (text(layout.left + middle, below + size + 5.0, size, "middle", "", name))
                    } @else {
                        (rotated(layout.left + middle + size * 0.3, below + 10.0, -45, text(0.0, 0.0, size, "end", "", name)))
                    }
                }
            }
        }
    }
}

/// Sizes and positions of the chart.
struct Layout {
    classes: usize,
    cell: f64,
    left: f64,
    top: f64,
    names: Vec<String>,
    name_size: f64,
    /// Whether the column names fit below their columns; otherwise they are rotated.
    level: bool,
}

impl Layout {
    fn new(shown: &[usize], labels: &[String]) -> Self {
        let cell = (460.0 / shown.len() as f64).clamp(17.0, 132.0);
        let name_size = (cell * 0.72).clamp(8.0, 13.0);
        let name = |&label: &usize| labels.get(label).map_or_else(String::new, |name| shorten(name, LONGEST_NAME));
        let names: Vec<String> = shown.iter().map(name).collect();
        let widest = widest(&names, name_size);
        // The rotated name of the first column extends to the left like the names of the rows.
        let left = 38.0 + widest.max(10.0);
        Self { classes: shown.len(), cell, left, top: 14.0, names, name_size, level: widest < cell - 6.0 }
    }

    fn side(&self) -> f64 {
        self.cell * self.classes as f64
    }

    /// Height of the column names below the matrix.
    fn below(&self) -> f64 {
        if self.level { self.name_size + 12.0 } else { widest(&self.names, self.name_size) * 0.72 + 16.0 }
    }

    fn grid(&self) -> Markup {
        let side = number(self.side());
        let line = |line: usize| {
            let offset = line as f64 * self.cell;
            let [x, y, left, top] = [self.left + offset, self.top + offset, self.left, self.top].map(number);
            format!("M{x} {top}v{side}M{left} {y}h{side}")
        };
        path("grid", &(0..=self.classes).map(line).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::parse_svg;

    fn labels(count: usize) -> Vec<String> {
        (0..count).map(|label| format!("label number {label}")).collect()
    }

    fn standalone(matrix: &ConfusionMatrix, labels: &[String]) -> String {
        Confusion::new(matrix, labels).standalone()
    }

    /// Each of `classes` classes has ten rows, one of which is predicted as the next class.
    fn matrix(classes: u32) -> ConfusionMatrix {
        let truth: Vec<u32> = (0..classes * 10).map(|row| row / 10).collect();
        let predicted: Vec<u32> =
            (0..classes * 10).map(|row| (row / 10 + u32::from(row % 10 == 0)) % classes).collect();
        ConfusionMatrix::new(&truth, &predicted, classes as usize).unwrap()
    }

    #[test]
    fn every_count_is_drawn_with_its_share() {
        let drawn = standalone(&matrix(2), &labels(2));
        assert_eq!(drawn.matches(r#"class="right""#).count(), 2);
        assert_eq!(drawn.matches(r#"class="wrong""#).count(), 2);
        let title = "true label number 0, predicted label number 1: 1 row (10.0\u{a0}% of the true label)";
        assert!(parse_svg(&drawn).contains(title));
        assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width="));
    }

    #[test]
    fn any_number_of_classes_can_be_drawn() {
        for classes in [2, 3, 5, 12, 20, 40, 120] {
            let drawn = standalone(&matrix(classes), &labels(classes as usize));
            parse_svg(&drawn);
            // Of 120 only the most confused are drawn.
            assert_eq!(drawn.matches(r#"class="right""#).count(), (classes as usize).min(40));
            assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{classes}");
        }
    }

    #[test]
    fn of_many_labels_the_most_confused_are_drawn() {
        let truth: Vec<u32> = (0..2000).map(|row| row % 1000).collect();
        let predicted: Vec<u32> = truth.iter().map(|&label| if label == 700 { 3 } else { label }).collect();
        let matrix = ConfusionMatrix::new(&truth, &predicted, 1000).unwrap();
        let labels = labels(1000);
        let confusion = Confusion::new(&matrix, &labels);
        assert!(confusion.shown.len() == 40 && confusion.shown.contains(&3) && confusion.shown.contains(&700));
        assert_eq!(confusion.note().unwrap(), "The 40 of 1,000 labels that are confused most");
        let drawn = confusion.standalone();
        assert!(drawn.len() < 60_000, "{}", drawn.len());
        let texts = parse_svg(&drawn);
        assert!(texts.contains("true label number 700, predicted label number 3: 2 rows (100\u{a0}%"), "{texts}");
    }

    #[test]
    fn long_and_hostile_names_are_shortened_and_escaped() {
        let labels = ["</svg><script>alert(1)</script>".to_owned(), "b".repeat(300)];
        let drawn = standalone(&matrix(2), &labels);
        let texts = parse_svg(&drawn);
        assert!(!drawn.contains("<script") && texts.contains("true </svg><script>alert(1)</script>, predicted"));
        assert!(drawn.contains(&format!("{}…", "b".repeat(21))) && drawn.contains(&"b".repeat(300)));
    }

    #[test]
    fn a_label_without_rows_is_an_empty_row() {
        let matrix = ConfusionMatrix::new(&[0, 0], &[0, 1], 3).unwrap();
        let labels = labels(3);
        let drawn = Confusion::new(&matrix, &labels).embedded().into_string();
        parse_svg(&drawn);
        assert!(!drawn.contains("NaN"));
        assert_eq!(drawn.matches(r#"class="right""#).count(), 1);
    }
}
