//! Reads `docs/proxies.md`, so that what is documented is what is tested.

use std::net::SocketAddr;

const PAGE: &str = include_str!("../../docs/proxies.md");

/// The first code block below this heading.
pub(crate) fn snippet(heading: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = section.split_once("\n```").unwrap();
    let (_language, block) = block.split_once('\n').unwrap();
    block.split_once("```").unwrap().0
}

/// Puts the addresses of `websmsd` and of its health endpoint, which share their IP
/// address, in place of those of the page.
pub(crate) fn relocate(snippet: &str, websmsd: SocketAddr, health: u16) -> String {
    snippet
        .replace("8080", "WEBSMSD_PORT")
        .replace("8081", "HEALTH_PORT")
        .replace("127.0.0.1", &websmsd.ip().to_string())
        .replace("WEBSMSD_PORT", &websmsd.port().to_string())
        .replace("HEALTH_PORT", &health.to_string())
}
