//! True positives, false negatives and false positives of each label, for multi-label data, where a confusion matrix is not
//! defined.

use firebrand_metrics::ClassFigures;
use maud::{Markup, html};

use super::{Drawing, rect, text, text_width, widest};
use crate::display::{count, shorten};

/// With more labels than this, only those with the most wrong decisions are drawn.
const MAX_LABELS: usize = 40;
const WIDTH: f64 = 560.0;
const ROW: f64 = 26.0;
const THICK: f64 = 16.0;
const SIZE: f64 = 12.0;
const TOP: f64 = 26.0;

const TITLE: &str = "Labels found, missed and wrongly assigned in the test split";

/// The labels to draw: all, or those with the most wrong decisions.
#[derive(Debug)]
pub(crate) struct Decisions<'a> {
    shown: Vec<(&'a ClassFigures, &'a str)>,
    all: usize,
}

impl<'a> Decisions<'a> {
    pub(crate) fn new(classes: &'a [ClassFigures], labels: &'a [String]) -> Self {
        let mut shown: Vec<_> = classes.iter().zip(labels.iter().map(String::as_str)).collect();
        if shown.len() > MAX_LABELS {
            shown.sort_by_key(|(class, _)| std::cmp::Reverse(class.missed() + class.false_positives()));
            shown.truncate(MAX_LABELS);
        }
        Self { shown, all: classes.len() }
    }

    /// Which labels are drawn, if not all are.
    pub(crate) fn note(&self) -> Option<String> {
        (self.shown.len() < self.all).then(|| {
            format!("The {} of {} labels with the most wrong decisions", self.shown.len(), count(self.all as u64))
        })
    }

    /// The chart as part of a page.
    pub(crate) fn embedded(&self) -> Markup {
        self.draw().embedded(TITLE)
    }

    /// The chart as a standalone file.
    pub(crate) fn standalone(&self) -> String {
        let Drawing { width, height, content } = self.draw();
        let note = self.note();
        let below = if note.is_some() { 20.0 } else { 0.0 };
        let content = html! {
            (content)
            @if let Some(note) = note { (text(14.0, height + 8.0, 11.0, "start", "muted", &note)) }
        };
        Drawing { width, height: height + below, content }.standalone(TITLE)
    }

    /// A bar per label: rows where it was found, then missed, then wrongly assigned.
    fn draw(&self) -> Drawing {
        let names: Vec<String> = self.shown.iter().map(|(_, name)| shorten(name, 26)).collect();
        let left = widest(&names, SIZE).max(40.0) + 14.0;
        let longest = |(class, _): &(&ClassFigures, &str)| class.support + class.false_positives();
        let most = self.shown.iter().map(longest).max().unwrap_or(1).max(1) as f64;
        let scale = (WIDTH - left - 110.0) / most;
        let mut at = left;
        let legend = [("right", "found"), ("empty", "missed"), ("wrong", "wrongly assigned")].map(|(class, name)| {
            let place = at;
            at += 32.0 + text_width(name, 11.0);
            html! { (rect(class, place, 8.0, 10.0, 10.0)) (text(place + 15.0, 17.0, 11.0, "start", "muted", name)) }
        });
        let content = html! {
            @for entry in &legend { (entry) }
            @for (row, ((class, whole), name)) in self.shown.iter().zip(&names).enumerate() {
                (bar(class, whole, name, row, left, scale))
            }
        };
        Drawing { width: WIDTH, height: TOP + self.shown.len() as f64 * ROW + 10.0, content }
    }
}

fn bar(class: &ClassFigures, whole: &str, name: &str, row: usize, left: f64, scale: f64) -> Markup {
    let counts = [class.hits, class.missed(), class.false_positives()];
    let [found, missed, wrong] = counts.map(count);
    let top = TOP + row as f64 * ROW + (ROW - THICK) / 2.0;
    let mut x = left;
    let parts = [("right", counts[0]), ("empty", counts[1]), ("wrong", counts[2])].map(|(tone, rows)| {
        let (start, width) = (x, rows as f64 * scale);
        x += width;
        rect(tone, start, top, width, THICK)
    });
    html! {
        g {
            title { (whole) ": " (found) " found, " (missed) " missed, " (wrong) " wrongly assigned" }
            (text(left - 10.0, top + 12.5, SIZE, "end", "", name))
            @for part in &parts { (part) }
            (rect("grid", left, top, class.support as f64 * scale, THICK))
            (text(x + 8.0, top + 12.5, 11.0, "start", "muted", &format!("{found} · {missed} · {wrong}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use firebrand_metrics::Figures;

    use super::*;
    use crate::well_formed::{parse_svg, widths};

    #[test]
    fn bars_are_as_long_as_their_rows() {
        let (truth, predicted) = ([vec![0], vec![0, 1], vec![0]], [vec![0], vec![0], vec![1]]);
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 2).unwrap();
        let labels = ["<b>".to_owned(), "other".to_owned()];
        let decisions = Decisions::new(&figures.classes, &labels);
        let drawn = decisions.standalone();
        let texts = parse_svg(&drawn);
        assert!(texts.contains("<b>: 2 found, 1 missed, 0 wrongly assigned"), "{texts}");
        assert!(texts.contains("other: 0 found, 1 missed, 1 wrongly assigned"), "{texts}");
        // The first is in the legend.
        let widths = widths(&drawn, "right");
        assert!(widths[1] > 0.0 && widths[2] == 0.0, "{widths:?}");
        parse_svg(&decisions.embedded().into_string());
    }

    #[test]
    fn of_many_labels_the_worst_are_drawn() {
        let truth: Vec<Vec<u32>> = (0..1000).map(|row| vec![row]).collect();
        let predicted: Vec<Vec<u32>> =
            truth.iter().map(|set| if set[0] == 700 { vec![] } else { set.clone() }).collect();
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 1000).unwrap();
        let labels: Vec<String> = (0..1000).map(|label| format!("l{label}")).collect();
        let decisions = Decisions::new(&figures.classes, &labels);
        assert_eq!(decisions.shown[0].1, "l700");
        assert!(parse_svg(&decisions.standalone()).contains("The 40 of 1,000 labels with the most wrong decisions"));
    }
}
