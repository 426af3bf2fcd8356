//! Lines over an axis.

use super::axis::{label, ticks};
use super::{number, picture, text, text_width};
use crate::html::escape;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = 46.0;
/// More points than this say nothing more on a screen.
const MOST_POINTS: usize = 240;

/// Which colour a curve has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The first, paler one: it has many points.
    Pale,
    /// The one to look at.
    Strong,
}

/// A line through (x, y), in the order of x.
#[derive(Debug, Clone)]
pub(crate) struct Curve<'a> {
    pub(crate) name: &'a str,
    pub(crate) points: &'a [(f64, f64)],
    pub(crate) tone: Tone,
}

/// A chart of some curves.
#[derive(Debug, Clone)]
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    pub(crate) x_title: &'a str,
    pub(crate) curves: &'a [Curve<'a>],
    /// The highest value that there can be: the axis does not go beyond.
    pub(crate) most: f64,
    /// The point to mark: the epoch that was kept.
    pub(crate) mark: Option<f64>,
}

impl Chart<'_> {
    /// Draws the chart, if any curve has points.
    pub(crate) fn draw(&self) -> Option<String> {
        let all = || self.curves.iter().flat_map(|curve| curve.points.iter().copied());
        all().next()?;
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let (_, last) = bounds(&mut all().map(|(x, _)| x));
        let (low, high) = bounds(&mut all().map(|(_, y)| y));
        // A single value stands in the middle of a little room.
        let room = if low < high { 0.0 } else { low.abs().max(0.1) / 20.0 };
        let y_ticks = ticks(low - room, (high + room).min(self.most.max(high)), 4);
        let x_ticks = ticks(0.0, last, 5);
        let (bottom, top) = (first(&y_ticks), end(&y_ticks));
        let x = |value: f64| LEFT + value / last.max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM);

        let mut content = text(0.0, 15.0, 13.0, "start", "strong", self.title);
        for &tick in &y_ticks {
            content +=
                &format!(r#"<path class="grid" d="M{} {}H{}"/>"#, number(LEFT), number(y(tick)), number(WIDTH - RIGHT));
            content += &text(LEFT - 8.0, y(tick) + 4.0, 11.0, "end", "muted", &label(tick, step(&y_ticks)));
        }
        for &tick in x_ticks.iter().filter(|tick| **tick <= last + 1e-9) {
            content += &text(x(tick), HEIGHT - BOTTOM + 17.0, 11.0, "middle", "muted", &label(tick, step(&x_ticks)));
        }
        content += &text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0, 11.5, "middle", "muted", self.x_title);
        if let Some(mark) = self.mark.filter(|mark| (0.0..=last).contains(mark)) {
            let [x, top, base] = [x(mark), TOP, HEIGHT - BOTTOM].map(number);
            content +=
                &format!(r#"<path class="mark" d="M{x} {top}V{base}"><title>the epoch that was kept</title></path>"#);
        }
        for curve in self.curves {
            content += &line(curve, &x, &y);
        }
        content += &self.legend();
        Some(picture(WIDTH, HEIGHT, self.title, &content))
    }

    /// Names of the curves, from the right.
    fn legend(&self) -> String {
        let mut right = WIDTH - RIGHT;
        let mut drawn = String::new();
        for curve in self.curves.iter().filter(|curve| !curve.points.is_empty()).rev() {
            // The text starts at its line: widths are estimates, and a gap is better at the end.
            right -= text_width(curve.name, 11.5);
            drawn += &text(right, 15.0, 11.5, "start", "muted", curve.name);
            let (from, to) = (number(right - 22.0), number(right - 6.0));
            drawn += &format!(r#"<path class="curve {}" d="M{from} 11H{to}"/>"#, tone(curve.tone));
            right -= 36.0;
        }
        drawn
    }
}

fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Pale => "pale",
        Tone::Strong => "bold",
    }
}

fn first(ticks: &[f64]) -> f64 {
    ticks.first().copied().unwrap_or_default()
}

fn end(ticks: &[f64]) -> f64 {
    ticks.last().copied().unwrap_or(1.0)
}

fn step(ticks: &[f64]) -> f64 {
    (end(ticks) - first(ticks)) / ticks.len().saturating_sub(1).max(1) as f64
}

fn line(curve: &Curve<'_>, x: &dyn Fn(f64) -> f64, y: &dyn Fn(f64) -> f64) -> String {
    let points = thin(curve.points);
    let path: Vec<String> = points.iter().map(|&(a, b)| format!("{} {}", number(x(a)), number(y(b)))).collect();
    let mut drawn = format!(r#"<path class="curve {}" d="M{}"/>"#, tone(curve.tone), path.join("L"));
    if points.is_empty() {
        return String::new();
    }
    if points.len() <= 24 {
        for &(a, b) in &points {
            let title = escape(&format!("{}: {b:.4} at {a:.2}", curve.name));
            drawn += &format!(
                r#"<circle class="{}" cx="{}" cy="{}" r="3.5"><title>{title}</title></circle>"#,
                tone(curve.tone),
                number(x(a)),
                number(y(b))
            );
        }
    }
    drawn
}

/// Neighbours averaged until the points are few enough.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let count = chunk.len() as f64;
        (chunk.iter().map(|point| point.0).sum::<f64>() / count, chunk.iter().map(|point| point.1).sum::<f64>() / count)
    };
    points.chunks(group).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::assert_balanced;

    fn draw(points: &[(f64, f64)]) -> Option<String> {
        let curves = [
            Curve { name: "loss", points, tone: Tone::Pale },
            Curve { name: "empty", points: &[], tone: Tone::Strong },
        ];
        Chart { title: "Loss", x_title: "epoch", curves: &curves, most: 1.0, mark: Some(1.0) }.draw()
    }

    #[test]
    fn curves_of_any_length_are_drawn() {
        assert_eq!(draw(&[]), None);
        for points in [vec![(1.0, 0.5)], vec![(0.0, 0.5)], (0..5000).map(|i| (f64::from(i) / 1000.0, 0.3)).collect()] {
            let drawn = draw(&points).unwrap();
            assert_balanced(&drawn);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            assert!(!drawn.contains(">empty<"));
        }
    }

    #[test]
    fn the_axis_ends_where_values_do() {
        for value in [1.0, 0.99, 0.9] {
            let drawn = draw(&[(1.0, value)]).unwrap();
            assert!(drawn.contains(">1.0") || drawn.contains(">0.9"), "{drawn}");
            assert!([">1.05", ">1.1", ">1.2", ">1.5", ">2"].iter().all(|tick| !drawn.contains(tick)), "{drawn}");
        }
    }

    #[test]
    fn thinning_keeps_the_mean() {
        let points: Vec<(f64, f64)> = (0..960).map(|i| (f64::from(i), f64::from(i % 4))).collect();
        let thinned = thin(&points);
        assert_eq!(thinned.len(), 240);
        assert!(thinned.iter().all(|point| point.1 == 1.5));
        assert_eq!(thin(&points[..7]), points[..7]);
    }
}
