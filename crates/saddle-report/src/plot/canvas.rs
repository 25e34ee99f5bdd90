//! The small canvas under every drawing: themes, colours by meaning, lines and texts in pixels.

use plotters::element::{DashedPathElement, Drawable};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Where a drawing will be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// A file of its own.
    Paper,
    /// Inside the HTML page.
    Page,
}

/// Colours by meaning. No two may be equal: they are told apart by value.
pub(crate) mod color {
    use plotters::style::RGBColor;

    pub(crate) const GROUND: RGBColor = RGBColor(0xff, 0xff, 0xfe);
    pub(crate) const INK: RGBColor = RGBColor(0x1d, 0x23, 0x2b);
    pub(crate) const FAINT: RGBColor = RGBColor(0x66, 0x70, 0x7c);
    pub(crate) const LINE: RGBColor = RGBColor(0xd8, 0xdd, 0xe3);
    pub(crate) const NATURAL: RGBColor = RGBColor(0x8c, 0x96, 0xa3);
    pub(crate) const FIRST: RGBColor = RGBColor(0x2f, 0x6f, 0xb3);
    pub(crate) const SECOND: RGBColor = RGBColor(0xc8, 0x55, 0x1b);
    pub(crate) const THIRD: RGBColor = RGBColor(0x3a, 0x8a, 0x4d);
    pub(crate) const FOURTH: RGBColor = RGBColor(0x8b, 0x4f, 0xb0);
    pub(crate) const FIFTH: RGBColor = RGBColor(0xa8, 0x8a, 0x12);

    /// Each colour and its name in the style sheet of the page, light and dark.
    pub(crate) const NAMES: [(RGBColor, &str, &str); 10] = [
        (GROUND, "ground", "#14181d"),
        (INK, "ink", "#e6e9ed"),
        (FAINT, "faint", "#9aa4b0"),
        (LINE, "line", "#333b45"),
        (NATURAL, "natural", "#7d8896"),
        (FIRST, "first", "#5fa3ea"),
        (SECOND, "second", "#f08a4b"),
        (THIRD, "third", "#63bd78"),
        (FOURTH, "fourth", "#bd8be0"),
        (FIFTH, "fifth", "#d6b93c"),
    ];

    /// Colours for the series of a figure, in order.
    pub(crate) const SERIES: [RGBColor; 5] = [FIRST, SECOND, THIRD, FOURTH, FIFTH];
}

/// A colour as CSS writes it.
pub(crate) fn css(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Where a text hangs on its point; vertically it is centred.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) type Point = (i32, i32);

/// Shapes in pixels, from the upper left corner.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
}

impl Canvas<'_> {
    fn shape<E>(&self, element: &E)
    where
        for<'b> &'b E: plotters::element::PointCollection<'b, Point>,
        E: for<'b> Drawable<SVGBackend<'b>>,
    {
        // The SVG backend writes to a string, which cannot fail.
        let _ = self.area.draw(element);
    }

    pub(super) fn text(
        &self,
        at: Point,
        anchor: Anchor,
        size: i32,
        bold: bool,
        color: RGBColor,
        words: &str,
    ) {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
        // The SVG backend writes font sizes divided by 1.24.
        let font = FontDesc::new(FontFamily::SansSerif, 1.24 * f64::from(size), style);
        let style = TextStyle::from(font).color(&color).pos(Pos::new(horizontal, VPos::Center));
        self.shape(&Text::new(words.to_owned(), at, style));
    }

    pub(super) fn bar(&self, corners: [Point; 2], color: RGBColor) {
        self.shape(&Rectangle::new(corners, color.filled()));
    }

    pub(super) fn line(&self, points: Vec<Point>, width: u32, color: RGBColor) {
        self.shape(&PathElement::new(points, color.stroke_width(width)));
    }

    pub(super) fn dashes(&self, points: Vec<Point>, width: u32, color: RGBColor) {
        self.shape(&DashedPathElement::new(points, 6, 4, color.stroke_width(width)));
    }

    pub(super) fn area(&self, outline: Vec<Point>, color: RGBColor) {
        self.shape(&Polygon::new(outline, color.mix(0.16)));
    }

    pub(super) fn diamond(&self, (x, y): Point, radius: i32, color: RGBColor) {
        let outline = vec![(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.shape(&Polygon::new(outline.clone(), color::GROUND));
        let mut closed = outline;
        closed.push((x, y - radius));
        self.line(closed, 2, color);
    }
}

/// Draws on a fresh canvas of `width` x `height` pixels and returns the SVG text.
pub(super) fn drawing(
    width: u32,
    height: u32,
    theme: Theme,
    draw: impl FnOnce(&Canvas<'_>),
) -> String {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
        let canvas = Canvas { area };
        if theme == Theme::Paper {
            canvas.bar([(0, 0), (width as i32, height as i32)], color::GROUND);
        }
        draw(&canvas);
        let _ = canvas.area.present();
    }
    match theme {
        Theme::Paper => text,
        Theme::Page => {
            let text = text.replace(r#" xmlns="http://www.w3.org/2000/svg""#, "");
            color::NAMES.iter().fold(text, |text, (color, name, _)| {
                text.replace(&format!("\"{}\"", css(*color)), &format!("\"var(--{name})\""))
            })
        }
    }
}
