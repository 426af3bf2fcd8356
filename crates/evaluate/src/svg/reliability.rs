//! Reliability diagram: accuracy over confidence. The bars of a well calibrated model end on the diagonal.

use firebrand_metrics::{Bin, Calibration};
use maud::{Markup, html};

use super::{Drawing, number, path, rect, rotated, text};
use crate::display::{percent, rows};

const LEFT: f64 = 52.0;
const TOP: f64 = 12.0;
const SIDE: f64 = 330.0;
/// Top of the histogram of rows.
const ROWS_TOP: f64 = TOP + SIDE + 14.0;
const ROWS_HEIGHT: f64 = 54.0;
const ROWS_BASE: f64 = ROWS_TOP + ROWS_HEIGHT;
/// Including half of the last tick label on the right.
const WIDTH: f64 = LEFT + SIDE + 26.0;
const HEIGHT: f64 = ROWS_BASE + 44.0;

/// Draws the accuracy of each bin, and below it the number of rows.
pub(crate) fn reliability(calibration: &Calibration) -> Markup {
    let multi_label = calibration.classes.is_some();
    let (x_title, y_title, counted) = if multi_label {
        ("probability of a label", "share of rows with it", "decisions")
    } else {
        ("confidence", "accuracy", "rows")
    };
    let most = calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or_default().max(1) as f64;
    let [x0, y0, x1, y1] = [x(0.0), y(0.0), x(1.0), y(1.0)].map(number);
    let content = html! {
        @for quarter in 0..=4 {
            @let share = f64::from(quarter) / 4.0;
            @let name = format!("{}\u{a0}%", quarter * 25);
            (path("grid", &format!("M{x0} {}H{x1}", number(y(share)))))
            (text(LEFT - 8.0, y(share) + 4.0, 11.0, "end", "muted", &name))
            (text(x(share), ROWS_BASE + 17.0, 11.0, "middle", "muted", &name))
        }
        @for bin in &calibration.bins {
            @if let (Some(confidence), Some(accuracy)) = (bin.confidence, bin.accuracy) {
                (draw(bin, confidence, accuracy, bin.rows as f64 / most))
            }
        }
        (path("ideal", &format!("M{x0} {y0}L{x1} {y1}")))
        (path("grid", &format!("M{x0} {}H{x1}", number(ROWS_BASE))))
        (rotated(11.0, ROWS_TOP + ROWS_HEIGHT / 2.0, -90, text(0.0, 0.0, 10.0, "middle", "muted", counted)))
        (text(LEFT + SIDE / 2.0, HEIGHT - 8.0, 11.5, "middle", "muted", x_title))
        (rotated(11.0, TOP + SIDE / 2.0, -90, text(0.0, 0.0, 11.5, "middle", "muted", y_title)))
    };
    Drawing { width: WIDTH, height: HEIGHT, content }.embedded("Reliability diagram")
}

fn x(confidence: f64) -> f64 {
    LEFT + confidence * SIDE
}

fn y(accuracy: f64) -> f64 {
    TOP + (1.0 - accuracy) * SIDE
}

/// Draws a bin; `share` is its number of rows relative to the largest bin.
fn draw(bin: &Bin, confidence: f64, accuracy: f64, share: f64) -> Markup {
    let (left, width) = (x(bin.lower) + 1.0, (bin.upper - bin.lower) * SIDE - 2.0);
    let (low, high) = (accuracy.min(confidence), accuracy.max(confidence));
    let tone = if accuracy < confidence { "gap" } else { "spare" };
    html! {
        g {
            title {
                "confidence " (percent(bin.lower)) " to " (percent(bin.upper)) ": " (rows(bin.rows))
                ", mean confidence " (percent(confidence)) ", " (percent(accuracy)) " correct"
            }
            (rect("right", left, y(low), width, low * SIDE))
            (rect(tone, left, y(high), width, (high - low) * SIDE))
            (rect("other", left, ROWS_TOP + (1.0 - share) * ROWS_HEIGHT, width, share * ROWS_HEIGHT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::parse_svg;

    #[test]
    fn bins_without_rows_are_not_drawn() {
        let calibration = Calibration::new(&[0, 1, 1], &[[0.9_f32, 0.1], [0.1, 0.9], [0.55, 0.45]], 2).unwrap();
        let drawn = reliability(&calibration).into_string();
        let texts = parse_svg(&drawn);
        assert_eq!(drawn.matches(r#"class="right""#).count(), 2);
        // Two rows at 0.9 are both right, one at 0.55 is wrong.
        assert_eq!(drawn.matches(r#"class="spare""#).count(), 1);
        assert_eq!(drawn.matches(r#"class="gap""#).count(), 1);
        assert!(texts.contains("2 rows, mean confidence 90.0\u{a0}%, 100\u{a0}% correct"), "{texts}");
    }
}
