//! QR codes that a phone scans: drawn on a terminal, as PNG or as SVG. All have the
//! four light modules around the code that ISO/IEC 18004, section 5.3.8 asks for.

use qrcode::render::{svg, unicode};
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};

/// Light modules on each side.
const QUIET_ZONE: usize = 4;

/// Pixels of a module in a PNG.
const SCALE: u32 = 8;

/// Black on white, as colours that no theme of a terminal changes.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";

const RESET: &str = "\x1b[0m";

pub(crate) struct QrImage(QrCode);

impl QrImage {
    /// Encodes a text in the smallest code that holds it: a screen damages nothing
    /// that error correction would have to repair.
    ///
    /// # Errors
    /// When the text is too long for a QR code.
    pub(crate) fn encode(text: &str) -> Result<Self, QrError> {
        QrCode::with_error_correction_level(text, EcLevel::L).map(Self)
    }

    /// Modules on a side, with the light ones.
    pub(crate) fn side(&self) -> usize {
        self.0.width() + 2 * QUIET_ZONE
    }

    /// Draws with block characters, each of which is two modules, one above the
    /// other. The colours are fixed: a terminal may be dark or light.
    pub(crate) fn terminal(&self) -> String {
        let drawn = self.0.render::<unicode::Dense1x2>().build();
        let lines = drawn.lines();
        lines
            .flat_map(|line| [BLACK_ON_WHITE, line, RESET, "\n"])
            .collect()
    }

    pub(crate) fn svg(&self) -> String {
        self.0.render::<svg::Color<'_>>().build()
    }

    /// Draws as PNG.
    ///
    /// # Errors
    /// When the encoder fails, which only an image beyond all sizes could cause.
    pub(crate) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        const DARK: char = '#';
        let mut renderer = self.0.render::<char>();
        let renderer = renderer.dark_color(DARK).module_dimensions(SCALE, SCALE);
        let drawn = renderer.build();
        let pixel = |module| if module == DARK { 0 } else { u8::MAX };
        let pixels: Vec<u8> = drawn.lines().flat_map(str::chars).map(pixel).collect();
        let modules = u32::try_from(self.side()).unwrap_or(u32::MAX);
        let side = modules.saturating_mul(SCALE);
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
    fn drawing_is_square_with_a_quiet_zone() {
        let image = QrImage::encode("https://example.com").unwrap();
        let (side, drawn) = (image.side(), image.terminal());
        let rows: Vec<_> = drawn
            .lines()
            .map(|line| {
                let line = line.strip_prefix(BLACK_ON_WHITE).unwrap();
                line.strip_suffix(RESET).unwrap()
            })
            .collect();
        assert_eq!(rows.len(), side.div_ceil(2));
        assert!(rows.iter().all(|row| row.chars().count() == side));
        assert!(rows[0].chars().chain(rows[1].chars()).all(|c| c == ' '));
        // The upper edge of the upper left finder pattern.
        assert!(rows[2].starts_with("    █▀▀▀▀▀█ "), "{}", rows[2]);
    }

    #[test]
    fn text_too_long_for_a_code_is_refused() {
        assert!(QrImage::encode(&"x".repeat(2953)).is_ok());
        assert!(QrImage::encode(&"x".repeat(2954)).is_err());
    }
}
