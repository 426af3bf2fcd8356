//! Shares as bars from 0 to 1, with their intervals.

use firebrand_metrics::Interval;

use super::{number, picture, text, text_width};
use crate::html::{escape, percent, shorten};

/// A share with a name.
#[derive(Debug, Clone)]
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) share: f64,
    pub(crate) interval: Interval,
    /// Whether this is the one that the others are compared with.
    pub(crate) main: bool,
}

const WIDTH: f64 = 660.0;
const ROW: f64 = 42.0;
const THICK: f64 = 22.0;
const SIZE: f64 = 13.0;

/// Draws the bars, one below the other.
pub(crate) fn bars(bars: &[Bar<'_>], description: &str) -> String {
    let names: Vec<String> = bars.iter().map(|bar| shorten(bar.name, 34)).collect();
    let left = names.iter().map(|name| text_width(name, SIZE)).fold(60.0, f64::max) + 14.0;
    let right = 64.0;
    let at = |share: f64| left + share * (WIDTH - left - right);
    let bottom = bars.len() as f64 * ROW + 6.0;
    let mut content = String::new();
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let x = number(at(share));
        content += &format!(r#"<path class="grid" d="M{x} 4V{}"/>"#, number(bottom));
        content += &text(at(share), bottom + 17.0, 11.0, "middle", "muted", &format!("{}\u{a0}%", quarter * 25));
    }
    for (row, (bar, name)) in bars.iter().zip(&names).enumerate() {
        let middle = row as f64 * ROW + ROW / 2.0 + 4.0;
        let tone = if bar.main { "main" } else { "other" };
        let Interval { low, high } = bar.interval;
        let title =
            format!("{}: {} (95 % interval {} to {})", bar.name, percent(bar.share), percent(low), percent(high));
        let weight = if bar.main { "strong" } else { "" };
        content += &format!("<g><title>{}</title>", escape(&title));
        content += &text(left - 12.0, middle + 4.5, SIZE, "end", weight, name);
        content += &format!(
            r#"<rect class="{tone}" x="{}" y="{}" width="{}" height="{}" rx="3"/>"#,
            number(left),
            number(middle - THICK / 2.0),
            number(at(bar.share) - left),
            number(THICK)
        );
        let (from, to) = (number(at(low)), number(at(high)));
        let [top, centre, base] = [middle - 5.0, middle, middle + 5.0].map(number);
        content +=
            &format!(r#"<path class="whisker" d="M{from} {top}V{base}M{from} {centre}H{to}M{to} {top}V{base}"/>"#);
        content += &text(at(high.max(bar.share)) + 9.0, middle + 4.5, SIZE, "start", weight, &percent(bar.share));
        content += "</g>";
    }
    picture(WIDTH, bottom + 24.0, description, &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_shares() {
        let bar = |name, share| Bar { name, share, interval: Interval { low: share, high: share }, main: share > 0.6 };
        let drawn = bars(&[bar("model", 1.0), bar("<b>", 0.5)], "accuracy");
        let widths: Vec<f64> = drawn
            .split("<rect")
            .skip(1)
            .map(|rect| rect.split(r#" width=""#).nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!((widths[0] - 2.0 * widths[1]).abs() < 0.02, "{widths:?}");
        assert!(drawn.contains("&lt;b&gt;") && !drawn.contains("<b>"));
    }
}
