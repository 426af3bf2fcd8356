//! Charts as SVG, simple enough to be written without a plotting library.
//!
//! Colours are CSS classes, which the report's style sheet defines for light and dark mode; standalone files contain [`STYLE`].
//! All markup is maud's, which escapes every name. Elements have end tags, as XML requires.

mod axis;
mod bars;
mod confusion;
mod curves;
mod decisions;
mod reliability;

use maud::{Markup, PreEscaped, html};

pub(crate) use bars::{Bar, bars};
pub(crate) use confusion::Confusion;
pub(crate) use curves::{Chart, Curve, Tone};
pub(crate) use decisions::Decisions;
pub(crate) use reliability::reliability;

use crate::display::document;

/// The style of a standalone file: the report's light colours.
const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328}\
.page{fill:#ffffff}.grid{stroke:#d9dee3;fill:none}.empty{fill:#f5f7f9}.right{fill:#0b7285}.wrong{fill:#d9480f}\
.muted{fill:#5c6670}.on{fill:#ffffff}.strong{font-weight:600}";

/// A drawing and its size.
#[derive(Debug)]
struct Drawing {
    width: f64,
    height: f64,
    content: Markup,
}

impl Drawing {
    /// The drawing as part of a page; it scales with its column, up to its natural width.
    fn embedded(&self, description: &str) -> Markup {
        let (width, height) = (number(self.width), number(self.height));
        html! {
            svg viewBox=(format_args!("0 0 {width} {height}")) style=(format_args!("max-width:{width}px")) role="img"
                aria-label=(description) { (self.content) }
        }
    }

    /// The drawing as a standalone file.
    fn standalone(&self, title: &str) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let svg = html! {
            svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height)
                viewBox=(format_args!("0 0 {width} {height}")) role="img" {
                title { (title) }
                style { (PreEscaped(STYLE)) }
                rect class="page" width=(width) height=(height) {}
                (self.content)
            }
        };
        document(svg) + "\n"
    }
}

/// A number in an attribute. Two decimals are finer than any screen and keep the file small.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Estimated width of a text in common system fonts.
fn text_width(text: &str, size: f64) -> f64 {
    // Wide characters (Chinese, Japanese, Korean, emoji) are about twice as wide.
    text.chars().map(|character| if (character as u32) < 0x1100 { 0.58 } else { 1.05 }).sum::<f64>() * size
}

/// The widest of these names.
fn widest(names: &[String], size: f64) -> f64 {
    names.iter().map(|name| text_width(name, size)).fold(0.0, f64::max)
}

/// A text at a position. `anchor` is `start`, `middle` or `end`.
fn text(x: f64, y: f64, size: f64, anchor: &str, class: &str, content: &str) -> Markup {
    html! {
        text class=(class) x=(number(x)) y=(number(y)) font-size=(number(size)) text-anchor=(anchor) { (content) }
    }
}

/// A text that is rotated about its position by degrees clockwise.
fn rotated(x: f64, y: f64, degrees: i32, text: Markup) -> Markup {
    html! { g transform=(format_args!("translate({} {}) rotate({degrees})", number(x), number(y))) { (text) } }
}

fn rect(class: &str, x: f64, y: f64, width: f64, height: f64) -> Markup {
    html! { rect class=(class) x=(number(x)) y=(number(y)) width=(number(width)) height=(number(height)) {} }
}

fn path(class: &str, d: &str) -> Markup {
    html! { path class=(class) d=(d) {} }
}
