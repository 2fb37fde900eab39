//! A code that a phone scans: text to modules, and these to a terminal's
//! characters, PNG or SVG.

use std::fmt::Write as _;

use qrcode::types::{Color, QrError};
use qrcode::{EcLevel, QrCode};

/// Light modules around the code (ISO/IEC 18004, section 5.3.8).
const QUIET: usize = 4;

/// Pixels of a module in a PNG.
const SCALE: usize = 8;

/// Black on white, as colours that no theme of a terminal changes.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";

const PLAIN: &str = "\x1b[0m";

/// A code as a square of modules, with light ones around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QrImage {
    width: usize,
    dark: Vec<bool>,
}

impl QrImage {
    /// Encodes a text. Screens lose nothing, so it is the smallest code that
    /// holds it.
    ///
    /// # Errors
    /// When no code is large enough.
    pub(crate) fn of(text: &str) -> Result<Self, QrError> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L)?;
        Ok(Self {
            width: code.width(),
            dark: code
                .to_colors()
                .into_iter()
                .map(|color| color == Color::Dark)
                .collect(),
        })
    }

    /// Modules on a side, with those around it.
    #[must_use]
    pub(crate) fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inner = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        let dark = |(x, y)| self.dark.get(y * self.width + x).copied();
        inner(x).zip(inner(y)).and_then(dark).unwrap_or(false)
    }

    /// As characters, each of which is two modules, one above the other. The
    /// colours are the code's own: a terminal may be dark or light.
    #[must_use]
    pub(crate) fn terminal(&self) -> String {
        let mut drawn = String::new();
        for y in (0..self.side()).step_by(2) {
            let row =
                (0..self.side()).map(|x| match (self.is_dark(x, y), self.is_dark(x, y + 1)) {
                    (false, false) => ' ',
                    (false, true) => '▄',
                    (true, false) => '▀',
                    (true, true) => '█',
                });
            drawn.push_str(BLACK_ON_WHITE);
            drawn.extend(row);
            drawn.push_str(PLAIN);
            drawn.push('\n');
        }
        drawn
    }

    /// As SVG, a unit for each module.
    #[must_use]
    pub(crate) fn svg(&self) -> String {
        let side = self.side();
        let mut path = String::new();
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            if self.is_dark(x, y) {
                // Writing to a String cannot fail.
                let _ = write!(path, "M{x} {y}h1v1h-1z");
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" \
             shape-rendering=\"crispEdges\">\
             <path fill=\"#fff\" d=\"M0 0h{side}v{side}h-{side}z\"/>\
             <path fill=\"#000\" d=\"{path}\"/></svg>\n"
        )
    }

    /// As PNG.
    ///
    /// # Errors
    /// When it cannot be written, which only a picture beyond all sizes could
    /// bring about.
    pub(crate) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = self.side() * SCALE;
        let pixels: Vec<u8> = (0..side)
            .flat_map(|y| (0..side).map(move |x| (x / SCALE, y / SCALE)))
            .map(|(x, y)| if self.is_dark(x, y) { 0 } else { u8::MAX })
            .collect();
        let side = u32::try_from(side).unwrap_or(u32::MAX);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawing_is_square_with_light_around_it() {
        let picture = QrImage::of("https://example.com").unwrap();
        let (side, drawn) = (picture.side(), picture.terminal());
        let rows: Vec<_> = drawn
            .lines()
            .map(|line| {
                let line = line.strip_prefix(BLACK_ON_WHITE).unwrap();
                line.strip_suffix(PLAIN).unwrap()
            })
            .collect();
        assert_eq!(rows.len(), side.div_ceil(2));
        assert!(rows.iter().all(|row| row.chars().count() == side));
        assert!(rows[0].chars().chain(rows[1].chars()).all(|c| c == ' '));
        // The upper left finder is two half rows of dark around light.
        assert!(rows[2].starts_with("    █▀▀▀▀▀█ "), "{}", rows[2]);
    }

    #[test]
    fn too_long_text_has_no_picture() {
        assert!(QrImage::of(&"x".repeat(2953)).is_ok());
        assert!(QrImage::of(&"x".repeat(2954)).is_err());
    }
}
