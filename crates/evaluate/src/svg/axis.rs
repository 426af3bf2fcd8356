//! Axis ticks at round numbers.

/// Round steps of 1, 2, 2.5 or 5 times a power of ten that cover `low..=high` with about `count` steps.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = if high > low { high - low } else { low.abs().max(1.0) };
    let rough = span / count.max(1) as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step + 1e-9).floor(), ((low + span) / step - 1e-9).ceil());
    (first as i64..=last as i64).map(|place| place as f64 * step).collect()
}

/// The label of a tick, with as many digits as the step needs.
pub(super) fn label(value: f64, step: f64) -> String {
    let digits = if step >= 1.0 { 0 } else { (-step.log10() - 1e-9).ceil().clamp(1.0, 6.0) as usize };
    // 0.25 and 0.025 need one more digit than their power of ten.
    let scaled = step * 10_f64.powi(digits as i32);
    let digits = if (scaled - scaled.round()).abs() > 1e-6 { digits + 1 } else { digits };
    format!("{:.digits$}", if value == 0.0 { 0.0 } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        let ticks = ticks(low, high, count);
        ticks.iter().map(|&tick| label(tick, ticks[1] - ticks[0])).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_range() {
        assert_eq!(labels(0.0, 3.0, 4), ["0", "1", "2", "3"]);
        assert_eq!(labels(0.31, 0.69, 4), ["0.3", "0.4", "0.5", "0.6", "0.7"]);
        assert_eq!(labels(0.8, 0.85, 2), ["0.800", "0.825", "0.850"]);
        assert_eq!(labels(-1.0, 1.0, 2), ["-1", "0", "1"]);
    }

    #[test]
    fn a_range_of_one_value_has_ticks_too() {
        let ticks = ticks(0.5, 0.5, 4);
        assert!(ticks.len() >= 2 && ticks[0] <= 0.5 && *ticks.last().unwrap() >= 0.5, "{ticks:?}");
    }
}
