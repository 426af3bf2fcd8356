//! The confusion matrix as a picture: rows are true labels, columns predicted ones, shaded by the share of their row.

use firebrand_metrics::ConfusionMatrix;

use super::{STYLE, number, picture, text, text_width};
use crate::html::{count, escape, percent, rows, shorten};

/// Up to so many labels every cell has room for its number.
const NUMBERED: usize = 60;
/// More labels than this get no names along the sides; the cells' tooltips have them.
const NAMED: usize = 100;
/// Longer names are shortened; the tooltips have them whole.
const LONGEST_NAME: usize = 22;

/// The picture as part of a page.
pub(crate) fn confusion_inside(confusion: &ConfusionMatrix, labels: &[String]) -> String {
    let drawing = Drawing::new(confusion, labels);
    picture(drawing.width, drawing.height, "Confusion matrix of the test part", &drawing.content)
}

/// The picture as a file of its own.
pub(crate) fn confusion_alone(confusion: &ConfusionMatrix, labels: &[String]) -> String {
    const NOTE: f64 = 34.0;
    let Drawing { width, height, content } = Drawing::new(confusion, labels);
    let width = width.max(430.0);
    let note = text(
        14.0,
        height + 14.0,
        11.0,
        "start",
        "muted",
        "Shade: share of the true label's rows (teal right, orange wrong)",
    );
    let (w, h) = (number(width), number(height + NOTE));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
         <title>Confusion matrix of the test part</title><style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{w}\" height=\"{h}\"/>{content}{note}</svg>\n"
    )
}

/// What is drawn, and its size.
struct Drawing {
    width: f64,
    height: f64,
    content: String,
}

/// Where things are.
struct Layout {
    classes: usize,
    cell: f64,
    left: f64,
    top: f64,
    names: Vec<String>,
    name_size: f64,
    /// Whether the columns' names fit below their columns; else they are turned.
    level: bool,
}

impl Layout {
    fn new(classes: usize, labels: &[String]) -> Self {
        let cell = (460.0 / classes as f64).clamp(if classes > NUMBERED { 12.0 } else { 17.0 }, 132.0);
        let name_size = (cell * 0.72).clamp(8.0, 13.0);
        let shown = if classes > NAMED { &[] } else { labels };
        let names: Vec<String> = shown.iter().map(|name| shorten(name, LONGEST_NAME)).collect();
        let widest = names.iter().map(|name| text_width(name, name_size)).fold(0.0, f64::max);
        let level = widest < cell - 6.0;
        // A turned name of the first column reaches as far to the left as the names of the rows do.
        Self { classes, cell, left: 38.0 + widest.max(10.0), top: 14.0, names, name_size, level }
    }

    fn side(&self) -> f64 {
        self.cell * self.classes as f64
    }

    /// Room below the matrix for the columns' names.
    fn below(&self) -> f64 {
        let widest = self.names.iter().map(|name| text_width(name, self.name_size)).fold(0.0, f64::max);
        if self.level { self.name_size + 12.0 } else { widest * 0.72 + 16.0 }
    }
}

impl Drawing {
    fn new(confusion: &ConfusionMatrix, labels: &[String]) -> Self {
        let layout = Layout::new(confusion.classes(), labels);
        let (left, top, side) = (layout.left, layout.top, layout.side());
        let [x, y, s] = [left, top, side].map(number);
        let mut content = format!(r#"<rect class="empty" x="{x}" y="{y}" width="{s}" height="{s}"/>"#);
        for truth in 0..layout.classes {
            for predicted in 0..layout.classes {
                content += &cell(&layout, confusion, labels, truth, predicted);
            }
        }
        content += &grid(&layout);
        content += &names(&layout, labels);
        let below = top + side + layout.below();
        content += &text(left + side / 2.0, below + 12.0, 12.0, "middle", "strong", "Predicted label");
        let [turn_x, turn_y] = [16.0, top + side / 2.0].map(number);
        content += &format!(
            r#"<g transform="translate({turn_x} {turn_y}) rotate(-90)">{}</g>"#,
            text(0.0, 0.0, 12.0, "middle", "strong", "True label")
        );
        Self { width: left + side + 14.0, height: below + 24.0, content }
    }
}

/// A cell, its number where there is room, and a tooltip. Nothing where nothing was counted.
fn cell(layout: &Layout, confusion: &ConfusionMatrix, labels: &[String], truth: usize, predicted: usize) -> String {
    let counted = confusion.count(truth, predicted);
    if counted == 0 {
        return String::new();
    }
    let size = layout.cell;
    let share = counted as f64 / confusion.support(truth) as f64;
    let (x, y) = (layout.left + predicted as f64 * size, layout.top + truth as f64 * size);
    let name = |label: usize| labels.get(label).map_or("?", String::as_str);
    let title = format!(
        "true {}, predicted {}: {} ({} of the true label)",
        name(truth),
        name(predicted),
        rows(counted),
        percent(share)
    );
    let tone = if truth == predicted { "right" } else { "wrong" };
    let opacity = 0.10 + 0.90 * share;
    let mut drawn = format!(
        r#"<g><title>{}</title><rect class="{tone}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/>"#,
        escape(&title),
        number(x),
        number(y),
        number(size),
        number(size),
        number(opacity)
    );
    let ink = if opacity > 0.55 { "on" } else { "" };
    let middle = x + size / 2.0;
    let number = count(counted);
    let font = (size * 0.30).clamp(8.0, 22.0).min((size - 2.0) / text_width(&number, 1.0));
    if size >= 64.0 {
        drawn += &text(middle, y + size * 0.5 + 2.0, font, "middle", &format!("strong {ink}"), &number);
        drawn += &text(middle, y + size * 0.5 + 19.0, 11.5, "middle", ink, &percent(share));
    } else if font >= 7.5 {
        drawn += &text(middle, y + size / 2.0 + font * 0.36, font, "middle", ink, &number);
    }
    drawn + "</g>"
}

fn grid(layout: &Layout) -> String {
    let (left, top, side) = (layout.left, layout.top, layout.side());
    let mut path = String::new();
    for line in 0..=layout.classes {
        let offset = line as f64 * layout.cell;
        let [x, y, l, t] = [left + offset, top + offset, left, top].map(number);
        path += &format!("M{x} {t}v{s}M{l} {y}h{s}", s = number(side));
    }
    format!(r#"<path class="grid" d="{path}"/>"#)
}

fn names(layout: &Layout, labels: &[String]) -> String {
    let (size, cell) = (layout.name_size, layout.cell);
    let mut drawn = String::new();
    for (place, (name, whole)) in layout.names.iter().zip(labels).enumerate() {
        let middle = (place as f64 + 0.5) * cell;
        let below = layout.top + layout.side();
        let row = text(layout.left - 8.0, layout.top + middle + size * 0.36, size, "end", "", name);
        let column = if layout.level {
            text(layout.left + middle, below + size + 5.0, size, "middle", "", name)
        } else {
            let [x, y] = [layout.left + middle + size * 0.3, below + 10.0].map(number);
            format!(r#"<g transform="translate({x} {y}) rotate(-45)">{}</g>"#, text(0.0, 0.0, size, "end", "", name))
        };
        drawn += &format!("<g><title>{}</title>{row}{column}</g>", escape(whole));
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::assert_balanced;

    fn labels(count: usize) -> Vec<String> {
        (0..count).map(|label| format!("label number {label}")).collect()
    }

    /// Of `classes` classes each has ten rows, of which one is taken for the next class.
    fn matrix(classes: u32) -> ConfusionMatrix {
        let truth: Vec<u32> = (0..classes * 10).map(|row| row / 10).collect();
        let predicted: Vec<u32> =
            (0..classes * 10).map(|row| (row / 10 + u32::from(row % 10 == 0)) % classes).collect();
        ConfusionMatrix::new(&truth, &predicted, classes as usize).unwrap()
    }

    #[test]
    fn every_count_is_drawn_with_its_share() {
        let drawn = confusion_alone(&matrix(2), &labels(2));
        assert_balanced(&drawn);
        assert_eq!(drawn.matches(r#"class="right""#).count(), 2);
        assert_eq!(drawn.matches(r#"class="wrong""#).count(), 2);
        assert!(drawn.contains("true label number 0, predicted label number 1: 1 row (10.0\u{a0}% of the true label)"));
        assert!(drawn.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width="));
    }

    #[test]
    fn any_number_of_classes_can_be_drawn() {
        for classes in [2, 3, 5, 12, 20, 50, 120] {
            let drawn = confusion_alone(&matrix(classes), &labels(classes as usize));
            assert_balanced(&drawn);
            assert_eq!(drawn.matches(r#"class="right""#).count(), classes as usize);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf\""), "{classes}");
        }
    }

    #[test]
    fn long_and_hostile_names_are_shortened_and_escaped() {
        let labels = ["</svg><script>alert(1)</script>".to_owned(), "b".repeat(300)];
        let drawn = confusion_alone(&matrix(2), &labels);
        assert_balanced(&drawn);
        assert!(!drawn.contains("<script"));
        assert!(drawn.contains(&format!("{}…", "b".repeat(21))) && drawn.contains(&"b".repeat(300)));
    }

    #[test]
    fn a_label_without_rows_is_an_empty_row() {
        let matrix = ConfusionMatrix::new(&[0, 0], &[0, 1], 3).unwrap();
        let drawn = confusion_inside(&matrix, &labels(3));
        assert_balanced(&drawn);
        assert!(!drawn.contains("NaN"));
        assert_eq!(drawn.matches(r#"class="right""#).count(), 1);
    }
}
