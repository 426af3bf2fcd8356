//! Confidence against accuracy: the bars of a well calibrated model end on the diagonal.

use firebrand_metrics::Calibration;

use super::{number, picture, text};
use crate::html::{escape, percent, rows};

const LEFT: f64 = 52.0;
const TOP: f64 = 12.0;
const SIDE: f64 = 330.0;
/// Where the histogram of the rows stands.
const ROWS_TOP: f64 = TOP + SIDE + 14.0;
const ROWS_HEIGHT: f64 = 54.0;
/// Room at the right for half of the last tick.
const WIDTH: f64 = LEFT + SIDE + 26.0;
const HEIGHT: f64 = ROWS_TOP + ROWS_HEIGHT + 44.0;

/// Draws the bins: above, the accuracy of each; below, how many rows it has.
pub(crate) fn reliability(calibration: &Calibration) -> String {
    let x = |confidence: f64| LEFT + confidence * SIDE;
    let y = |accuracy: f64| TOP + (1.0 - accuracy) * SIDE;
    let most = calibration.bins.iter().map(|bin| bin.rows).max().unwrap_or_default().max(1) as f64;
    let mut content = String::new();
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let name = format!("{}\u{a0}%", quarter * 25);
        let [from, to, at] = [LEFT, LEFT + SIDE, y(share)].map(number);
        content += &format!(r#"<path class="grid" d="M{from} {at}H{to}"/>"#);
        content += &text(LEFT - 8.0, y(share) + 4.0, 11.0, "end", "muted", &name);
        content += &text(x(share), ROWS_TOP + ROWS_HEIGHT + 17.0, 11.0, "middle", "muted", &name);
    }
    for bin in calibration.bins.iter().filter(|bin| bin.rows > 0) {
        let (left, width) = (x(bin.lower) + 1.0, (bin.upper - bin.lower) * SIDE - 2.0);
        let share = bin.rows as f64 / most;
        let title = format!(
            "confidence {} to {}: {}, mean confidence {}, {} right",
            percent(bin.lower),
            percent(bin.upper),
            rows(bin.rows),
            percent(bin.confidence),
            percent(bin.accuracy)
        );
        let rect = |class: &str, top: f64, height: f64| {
            let [left, top, width, height] = [left, top, width, height].map(number);
            format!(r#"<rect class="{class}" x="{left}" y="{top}" width="{width}" height="{height}"/>"#)
        };
        let (low, high) = (bin.accuracy.min(bin.confidence), bin.accuracy.max(bin.confidence));
        content += &format!("<g><title>{}</title>", escape(&title));
        let tone = if bin.accuracy < bin.confidence { "gap" } else { "spare" };
        content += &rect("right", y(low), low * SIDE);
        content += &rect(tone, y(high), (high - low) * SIDE);
        content += &rect("other", ROWS_TOP + (1.0 - share) * ROWS_HEIGHT, share * ROWS_HEIGHT);
        content += "</g>";
    }
    let [x0, y0, x1, y1] = [x(0.0), y(0.0), x(1.0), y(1.0)].map(number);
    content += &format!(r#"<path class="ideal" d="M{x0} {y0}L{x1} {y1}"/>"#);
    let base = number(ROWS_TOP + ROWS_HEIGHT);
    content += &format!(r#"<path class="grid" d="M{x0} {base}H{x1}"/>"#);
    content += &text(LEFT - 8.0, ROWS_TOP + ROWS_HEIGHT / 2.0 + 4.0, 11.0, "end", "muted", "rows");
    content += &text(LEFT + SIDE / 2.0, HEIGHT - 8.0, 11.5, "middle", "muted", "confidence");
    let [turn_x, turn_y] = [11.0, TOP + SIDE / 2.0].map(number);
    let name = text(0.0, 0.0, 11.5, "middle", "muted", "share right");
    content += &format!(r#"<g transform="translate({turn_x} {turn_y}) rotate(-90)">{name}</g>"#);
    picture(WIDTH, HEIGHT, "Reliability diagram", &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::assert_balanced;

    #[test]
    fn bins_without_rows_are_not_drawn() {
        let calibration = Calibration::new(&[0, 1, 1], &[[0.9_f32, 0.1], [0.1, 0.9], [0.55, 0.45]], 2).unwrap();
        let drawn = reliability(&calibration);
        assert_balanced(&drawn);
        assert_eq!(drawn.matches(r#"class="right""#).count(), 2);
        // Two rows at 0.9 are both right, one at 0.55 is wrong.
        assert_eq!(drawn.matches(r#"class="spare""#).count(), 1);
        assert_eq!(drawn.matches(r#"class="gap""#).count(), 1);
        assert!(drawn.contains("2 rows, mean confidence 90.0\u{a0}%, 100\u{a0}% right"), "{drawn}");
    }
}
