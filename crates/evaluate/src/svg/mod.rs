//! Pictures as SVG text, small enough to be written by hand.
//!
//! Colours are classes, which the report's style sheet sets for light and dark; a picture that stands alone carries
//! [`STYLE`].

mod axis;
mod bars;
mod confusion;
mod curves;
mod decisions;
mod reliability;

pub(crate) use bars::{Bar, bars};
pub(crate) use confusion::{confusion_alone, confusion_inside};
pub(crate) use curves::{Chart, Curve, Tone};
pub(crate) use decisions::{decisions_alone, decisions_inside};
pub(crate) use reliability::reliability;

/// The style of a picture that stands alone: the report's light colours.
const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328}\
.page{fill:#ffffff}.grid{stroke:#d9dee3;fill:none}.empty{fill:#f5f7f9}.right{fill:#0b7285}.wrong{fill:#d9480f}\
.muted{fill:#5c6670}.on{fill:#ffffff}.strong{font-weight:600}";

/// A number in an attribute: two digits are finer than any screen, and keep the file small.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// About how wide a text is, in the fonts that systems have.
fn text_width(text: &str, size: f64) -> f64 {
    // Wide characters (Chinese, Japanese, Korean, emoji) take about twice the room.
    text.chars().map(|character| if (character as u32) < 0x1100 { 0.58 } else { 1.05 }).sum::<f64>() * size
}

/// A text at a place. `anchor` is `start`, `middle` or `end`.
fn text(x: f64, y: f64, size: f64, anchor: &str, class: &str, content: &str) -> String {
    let content = crate::html::escape(content);
    format!(
        r#"<text class="{class}" x="{}" y="{}" font-size="{}" text-anchor="{anchor}">{content}</text>"#,
        number(x),
        number(y),
        number(size)
    )
}

/// A picture inside a page: it scales with its column, up to its natural width.
fn picture(width: f64, height: f64, description: &str, content: &str) -> String {
    let (width, height, description) = (number(width), number(height), crate::html::escape(description));
    format!(
        r#"<svg viewBox="0 0 {width} {height}" style="max-width:{width}px" role="img" aria-label="{description}">{content}</svg>"#
    )
}
