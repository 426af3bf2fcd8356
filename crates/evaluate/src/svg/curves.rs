//! Line charts.

use maud::{Markup, html};

use super::axis::{label, ticks};
use super::{Drawing, number, path, text, text_width};

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 38.0;
const BOTTOM: f64 = 46.0;
/// Longer curves are averaged down to at most this many points.
const MAX_POINTS: usize = 240;
/// Curves with more points than this have no dots.
const MAX_DOTS: usize = 24;

/// The colour of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Pale, for a curve with many points.
    Pale,
    /// Strong, for the main curve.
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
    /// Maximum of the y axis.
    pub(crate) y_max: f64,
    /// The point to mark: the epoch that was kept.
    pub(crate) mark: Option<f64>,
}

impl Chart<'_> {
    /// Draws the chart, if any curve has points.
    pub(crate) fn draw(&self) -> Option<Markup> {
        let scales = Scales::new(self)?;
        let content = html! {
            (text(0.0, 15.0, 13.0, "start", "strong", self.title))
            @for &tick in &scales.y_ticks {
                @let y = scales.y(tick);
                (path("grid", &format!("M{} {}H{}", number(LEFT), number(y), number(WIDTH - RIGHT))))
                (text(LEFT - 8.0, y + 4.0, 11.0, "end", "muted", &label(tick, step(&scales.y_ticks))))
            }
            @for &tick in scales.x_ticks.iter().filter(|tick| **tick <= scales.last + 1e-9) {
                (text(scales.x(tick), HEIGHT - BOTTOM + 17.0, 11.0, "middle", "muted", &label(tick, step(&scales.x_ticks))))
            }
            (text((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0, 11.5, "middle", "muted", self.x_title))
            @if let Some(mark) = self.mark.filter(|mark| (0.0..=scales.last).contains(mark)) {
                path class="mark" d=(format_args!("M{} {}V{}", number(scales.x(mark)), number(TOP), number(HEIGHT - BOTTOM))) {
                    title { "the epoch that was kept" }
                }
            }
            @for curve in self.curves.iter().filter(|curve| !curve.points.is_empty()) { (line(curve, &scales)) }
            (self.legend())
        };
        Some(Drawing { width: WIDTH, height: HEIGHT, content }.embedded(self.title))
    }

    /// The names of the curves, right-aligned.
    fn legend(&self) -> Markup {
        let mut right = WIDTH - RIGHT;
        let shown = self.curves.iter().filter(|curve| !curve.points.is_empty()).rev();
        let entries = shown.map(|curve| {
            // The text starts next to its line: widths are estimates, so any gap should be at the end.
            let start = right - text_width(curve.name, 11.5);
            right = start - 36.0;
            html! {
                (text(start, 15.0, 11.5, "start", "muted", curve.name))
                (path(curve.tone.class(), &format!("M{} 11H{}", number(start - 22.0), number(start - 6.0))))
            }
        });
        html! { @for entry in entries { (entry) } }
    }
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Pale => "curve pale",
            Self::Strong => "curve bold",
        }
    }
}

/// Maps values to positions.
struct Scales {
    /// The largest x.
    last: f64,
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
}

impl Scales {
    fn new(chart: &Chart<'_>) -> Option<Self> {
        let all = || chart.curves.iter().flat_map(|curve| curve.points.iter().copied());
        all().next()?;
        let last = all().map(|(x, _)| x).fold(f64::NEG_INFINITY, f64::max);
        let low = all().map(|(_, y)| y).fold(f64::INFINITY, f64::min);
        let high = all().map(|(_, y)| y).fold(f64::NEG_INFINITY, f64::max);
        // A range of a single value is widened.
        let room = if low < high { 0.0 } else { low.abs().max(0.1) / 20.0 };
        let y_ticks = ticks(low - room, (high + room).min(chart.y_max.max(high)), 4);
        Some(Self { last, x_ticks: ticks(0.0, last, 5), y_ticks })
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + value / self.last.max(f64::MIN_POSITIVE) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let (bottom, top) = (first(&self.y_ticks), end(&self.y_ticks));
        HEIGHT - BOTTOM - (value - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)
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

fn line(curve: &Curve<'_>, scales: &Scales) -> Markup {
    let points = thin(curve.points);
    let place = |&(x, y): &(f64, f64)| (number(scales.x(x)), number(scales.y(y)));
    let places: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x} {y}")).collect();
    html! {
        (path(curve.tone.class(), &format!("M{}", places.join("L"))))
        @if points.len() <= MAX_DOTS {
            @for point in &points {
                @let (x, y) = place(point);
                circle class=(if curve.tone == Tone::Pale { "pale" } else { "bold" }) cx=(x) cy=(y) r="3.5" {
                    title { (curve.name) ": " (format_args!("{:.4} at {:.2}", point.1, point.0)) }
                }
            }
        }
    }
}

/// Averages neighbours until there are few enough points.
fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(MAX_POINTS).max(1);
    let mean = |chunk: &[(f64, f64)]| {
        let count = chunk.len() as f64;
        (chunk.iter().map(|point| point.0).sum::<f64>() / count, chunk.iter().map(|point| point.1).sum::<f64>() / count)
    };
    points.chunks(group).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::well_formed::parse_svg;

    fn draw(points: &[(f64, f64)]) -> Option<String> {
        let curves = [
            Curve { name: "loss", points, tone: Tone::Pale },
            Curve { name: "empty", points: &[], tone: Tone::Strong },
        ];
        Chart { title: "Loss", x_title: "epoch", curves: &curves, y_max: 1.0, mark: Some(1.0) }
            .draw()
            .map(Markup::into_string)
    }

    #[test]
    fn curves_of_any_length_are_drawn() {
        assert_eq!(draw(&[]), None);
        for points in [vec![(1.0, 0.5)], vec![(0.0, 0.5)], (0..5000).map(|i| (f64::from(i) / 1000.0, 0.3)).collect()] {
            let drawn = draw(&points).unwrap();
            parse_svg(&drawn);
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            assert!(!drawn.contains(">empty<"));
        }
    }

    #[test]
    fn the_axis_ends_at_the_maximum() {
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
