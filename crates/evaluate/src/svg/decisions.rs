//! What became of the decisions about each label: found, missed, wrongly given. For rows with any number of labels, where
//! no label is taken for another one and a confusion matrix would have nothing to say.

use firebrand_metrics::ClassFigures;

use super::{STYLE, number, picture, text, text_width};
use crate::html::{count, escape, shorten};
use crate::terminal::Decisions;

const WIDTH: f64 = 560.0;
const ROW: f64 = 26.0;
const THICK: f64 = 16.0;
const SIZE: f64 = 12.0;
const TOP: f64 = 26.0;

/// The picture as part of a page.
pub(crate) fn decisions_inside(classes: &[ClassFigures], labels: &[String]) -> String {
    let (height, content) = draw(classes, labels);
    picture(WIDTH, height, "Labels found, missed and wrongly given in the test part", &content)
}

/// The picture as a file of its own.
pub(crate) fn decisions_alone(classes: &[ClassFigures], labels: &[String]) -> String {
    let (height, content) = draw(classes, labels);
    let (w, h) = (number(WIDTH), number(height));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" role=\"img\">\n\
         <title>Labels found, missed and wrongly given in the test part</title><style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{w}\" height=\"{h}\"/>{content}</svg>\n"
    )
}

/// A bar per label: to the right what was found, then what was missed; then what was given to others.
fn draw(classes: &[ClassFigures], labels: &[String]) -> (f64, String) {
    let names: Vec<String> = labels.iter().map(|name| shorten(name, 26)).collect();
    let left = names.iter().map(|name| text_width(name, SIZE)).fold(40.0, f64::max) + 14.0;
    let most = classes.iter().map(|class| class.support + Decisions::of(class).wrong).max().unwrap_or(1).max(1) as f64;
    let scale = (WIDTH - left - 110.0) / most;
    let mut content = String::new();
    let mut at = left;
    for (class, name) in [("right", "found"), ("empty", "missed"), ("wrong", "wrongly given")] {
        content += &bar(class, at, 8.0, 10.0, 10.0);
        content += &text(at + 15.0, 17.0, 11.0, "start", "muted", name);
        at += 32.0 + text_width(name, 11.0);
    }
    for (row, ((class, name), whole)) in classes.iter().zip(&names).zip(labels).enumerate() {
        let Decisions { found, missed, wrong } = Decisions::of(class);
        let top = TOP + row as f64 * ROW + (ROW - THICK) / 2.0;
        let title =
            format!("{whole}: {} found, {} missed, {} wrongly given", count(found), count(missed), count(wrong));
        content += &format!("<g><title>{}</title>", escape(&title));
        content += &text(left - 10.0, top + 12.5, SIZE, "end", "", name);
        let mut x = left;
        for (tone, rows) in [("right", found), ("empty", missed), ("wrong", wrong)] {
            let width = rows as f64 * scale;
            content += &bar(tone, x, top, width, THICK);
            x += width;
        }
        let border = number(class.support as f64 * scale);
        let (x0, y0, thick) = (number(left), number(top), number(THICK));
        content += &format!(r#"<rect class="grid" x="{x0}" y="{y0}" width="{border}" height="{thick}"/>"#);
        let figures = format!("{} · {} · {}", count(found), count(missed), count(wrong));
        content += &text(x + 8.0, top + 12.5, 11.0, "start", "muted", &figures);
        content += "</g>";
    }
    (TOP + classes.len() as f64 * ROW + 10.0, content)
}

fn bar(class: &str, x: f64, y: f64, width: f64, height: f64) -> String {
    let [x, y, width, height] = [x, y, width, height].map(number);
    format!(r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#)
}

#[cfg(test)]
mod tests {
    use firebrand_metrics::Figures;

    use super::*;
    use crate::well_formed::assert_balanced;

    #[test]
    fn bars_are_as_long_as_their_rows() {
        let (truth, predicted) = ([vec![0], vec![0, 1], vec![0]], [vec![0], vec![0], vec![1]]);
        let figures = Figures::of_label_sets::<_, _, [f32; 2]>(&truth, &predicted, None, 2).unwrap();
        let labels = ["<b>".to_owned(), "other".to_owned()];
        let drawn = decisions_alone(&figures.classes, &labels);
        assert_balanced(&drawn);
        assert!(drawn.contains("&lt;b&gt;: 2 found, 1 missed, 0 wrongly given"), "{drawn}");
        assert!(drawn.contains("other: 0 found, 1 missed, 1 wrongly given"), "{drawn}");
        let widths: Vec<f64> = drawn
            .split(r#"<rect class="right""#)
            .skip(2)
            .map(|rect| rect.split(r#" width=""#).nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!(widths[0] > 0.0 && widths[1] == 0.0, "{widths:?}");
        assert_balanced(&decisions_inside(&figures.classes, &labels));
    }
}
