//! A bar chart of shares from 0 to 1, with their intervals.

use firebrand_metrics::Interval;
use maud::{Markup, html};

use super::{Drawing, number, path, rect, text, widest};
use crate::display::{percent, shorten};

/// A named share.
#[derive(Debug, Clone)]
pub(crate) struct Bar<'a> {
    pub(crate) name: &'a str,
    pub(crate) share: f64,
    pub(crate) interval: Interval,
    /// Whether this is the model, which the others are compared with.
    pub(crate) main: bool,
}

const WIDTH: f64 = 660.0;
const ROW: f64 = 42.0;
const THICK: f64 = 22.0;
const SIZE: f64 = 13.0;
const RIGHT: f64 = 64.0;

/// Draws the bars, one below the other.
pub(crate) fn bars(bars: &[Bar<'_>], description: &str) -> Markup {
    let names: Vec<String> = bars.iter().map(|bar| shorten(bar.name, 34)).collect();
    let left = widest(&names, SIZE).max(60.0) + 14.0;
    let at = |share: f64| left + share * (WIDTH - left - RIGHT);
    let bottom = bars.len() as f64 * ROW + 6.0;
    let content = html! {
        @for quarter in 0..=4 {
            @let x = at(f64::from(quarter) / 4.0);
            (path("grid", &format!("M{} 4V{}", number(x), number(bottom))))
            (text(x, bottom + 17.0, 11.0, "middle", "muted", &format!("{}\u{a0}%", quarter * 25)))
        }
        @for (row, (bar, name)) in bars.iter().zip(&names).enumerate() {
            (draw(bar, name, row as f64 * ROW + ROW / 2.0 + 4.0, left, &at))
        }
    };
    Drawing { width: WIDTH, height: bottom + 24.0, content }.embedded(description)
}

fn draw(bar: &Bar<'_>, name: &str, middle: f64, left: f64, at: &dyn Fn(f64) -> f64) -> Markup {
    let Interval { low, high } = bar.interval;
    let (tone, weight) = if bar.main { ("main", "strong") } else { ("other", "") };
    let (from, to) = (number(at(low)), number(at(high)));
    let [top, centre, base] = [middle - 5.0, middle, middle + 5.0].map(number);
    let whisker = format!("M{from} {top}V{base}M{from} {centre}H{to}M{to} {top}V{base}");
    html! {
        g {
            title { (bar.name) ": " (percent(bar.share)) " (95 % interval " (percent(low)) " to " (percent(high)) ")" }
            (text(left - 12.0, middle + 4.5, SIZE, "end", weight, name))
            (rect(tone, left, middle - THICK / 2.0, at(bar.share) - left, THICK))
            (path("whisker", &whisker))
            (text(at(high.max(bar.share)) + 9.0, middle + 4.5, SIZE, "start", weight, &percent(bar.share)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::{parse_svg, widths};

    #[test]
    fn bars_are_as_long_as_their_shares() {
        let bar = |name, share| Bar { name, share, interval: Interval { low: share, high: share }, main: share > 0.6 };
        let drawn = bars(&[bar("model", 1.0), bar("<b>", 0.5)], "accuracy").into_string();
        let (main, other) = (widths(&drawn, "main"), widths(&drawn, "other"));
        assert!((main[0] - 2.0 * other[0]).abs() < 0.02, "{main:?} {other:?}");
        assert!(parse_svg(&drawn).contains("<b>"));
    }
}
