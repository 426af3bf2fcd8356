//! The plot of a range test.

use std::fmt::Write;

use crate::RangeTest;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const MARGIN: f64 = 48.0;

/// Loss over learning rate, on a logarithmic axis, as an SVG file.
pub(crate) fn svg(test: &RangeTest) -> String {
    let low = test.losses.iter().copied().fold(f64::INFINITY, f64::min);
    let high = test.losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (first, last) = (test.rates.first().copied().unwrap_or(1e-7), test.rates.last().copied().unwrap_or(1.0));
    // If all values are equal, the line runs through the middle.
    let part = |value: f64, from: f64, to: f64| if to > from { (value - from) / (to - from) } else { 0.5 };
    let x = |rate: f64| MARGIN + (WIDTH - 2.0 * MARGIN) * part(rate.log10(), first.log10(), last.log10());
    let y = |loss: f64| HEIGHT - MARGIN - (HEIGHT - 2.0 * MARGIN) * part(loss, low, high);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<title>Loss over learning rate</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let (bottom, right) = (HEIGHT - MARGIN, WIDTH - MARGIN);
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "<path d=\"M{MARGIN} {MARGIN}V{bottom}H{right}\" fill=\"none\" stroke=\"#888\"/>");
    for power in first.log10().ceil() as i32..=last.log10().floor() as i32 {
        let at = x(10f64.powi(power));
        let _ = writeln!(svg, "<path d=\"M{at:.1} {bottom}v4\" stroke=\"#888\"/>");
        let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">1e{power}</text>", bottom + 16.0);
    }
    for loss in [low, high].into_iter().filter(|loss| loss.is_finite()) {
        let (at, edge) = (y(loss) + 4.0, MARGIN - 6.0);
        let _ = writeln!(svg, "<text x=\"{edge}\" y=\"{at:.1}\" text-anchor=\"end\">{loss:.3}</text>");
    }
    let points: Vec<String> =
        test.rates.iter().zip(&test.losses).map(|(&rate, &loss)| format!("{:.1},{:.1}", x(rate), y(loss))).collect();
    let _ =
        writeln!(svg, "<polyline points=\"{}\" fill=\"none\" stroke=\"#c33\" stroke-width=\"1.5\"/>", points.join(" "));
    if let Some(rate) = test.suggestion {
        let at = x(rate);
        let _ = writeln!(svg, "<path d=\"M{at:.1} {MARGIN}V{bottom}\" stroke=\"#36c\" stroke-dasharray=\"4 3\"/>");
        let above = MARGIN - 8.0;
        let _ =
            writeln!(svg, "<text x=\"{at:.1}\" y=\"{above}\" text-anchor=\"middle\" fill=\"#36c\">{rate:.2e}</text>");
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_its_points_and_the_suggestion_and_nothing_odd() {
        let test = RangeTest { suggestion: Some(1e-3), rates: vec![1e-4, 1e-3, 1e-2], losses: vec![0.9, 0.5, 0.7] };
        let found = svg(&test);
        assert!(found.contains("points=\"48.0,48.0 320.0,272.0 592.0,160.0\""), "{found}");
        assert!(found.contains(">1.00e-3</text>") && found.contains(">1e-2</text>") && found.contains(">0.900</text>"));
        for odd in [RangeTest { suggestion: None, ..test.clone() }, RangeTest { losses: vec![0.5; 3], ..test }] {
            assert!(!svg(&odd).contains("NaN") && !svg(&odd).contains("inf"));
        }
        let empty = svg(&RangeTest { suggestion: None, rates: vec![], losses: vec![] });
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }
}
