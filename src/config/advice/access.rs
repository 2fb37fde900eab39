//! Listeners that let in whoever reaches them, and what makes a permission void.

use ipnet::IpNet;

use crate::config::advice::Advice;
use crate::config::configuration::Config;
use crate::config::sections::incoming::auth::AuthScheme;
use crate::config::sections::incoming::interface::IncomingInterface;
use crate::config::sections::otp::OtpSettings;
use crate::config::sections::server::ServerSettings;
use crate::config::syntax::keys;

/// Prefixes shorter than these hold so many strangers that a list with one permits
/// anyone. The networks of a content delivery network are longer.
const V4_ANYONE: u8 = 8;
const V6_ANYONE: u8 = 16;

pub(super) fn check(config: &Config, advice: &mut Advice<'_>) {
    for incoming in &config.incoming {
        webhooks(incoming, advice);
        signed_url(incoming, advice);
    }
    proxies(&config.server, advice);
    health(&config.server, advice);
    agi(&config.server, advice);
    if let Some(otp) = &config.otp {
        one_time_passwords(otp, advice);
    }
}

fn webhooks(incoming: &IncomingInterface, advice: &mut Advice<'_>) {
    let problem = match &incoming.permitted {
        None => "is not set",
        Some(networks) if is_anyone(networks) => "permits anyone",
        Some(_) => return,
    };
    if incoming.auth.is_none() {
        let message = format!(
            "{problem}, so anyone who reaches the port can send texts to your phones: list the \
             addresses from which your provider posts, or set auth"
        );
        let index = incoming.interface.as_str();
        advice.warn(&keys::websmsd::PERMIT_ADDR, index, &message);
    }
}

/// A signature over the URL proves nothing about the host if that is the request's.
fn signed_url(incoming: &IncomingInterface, advice: &mut Advice<'_>) {
    let Some(auth) = incoming.auth.as_ref() else {
        return;
    };
    let signs_url = match &auth.scheme {
        AuthScheme::Twilio { .. } | AuthScheme::Jwt { .. } => true,
        AuthScheme::Hmac(hmac) => hmac.placeholders().any(|word| word.starts_with("url")),
        _ => false,
    };
    if signs_url && auth.public_url.is_none() {
        let message = "signs the URL, and public_url is not set: the Host header of the request is \
                       taken for it, so a signature for another server is accepted, and behind \
                       https none is. Set public_url to what the provider posts to, e.g. \
                       https://sms.example.com";
        advice.warn(&keys::websmsd::AUTH, incoming.interface.as_str(), message);
    }
}

fn proxies(server: &ServerSettings, advice: &mut Advice<'_>) {
    let key = &keys::websmsd::PROXY_ADDR;
    if !server.http.proxies_named {
        let message = format!(
            "is not set, so any machine with an address in {} can claim to be any client: list only \
             your reverse proxy, or set it to \"\" if you have none",
            key.default
        );
        advice.warn(key, "", &message);
    } else if is_anyone(&server.http.proxies) {
        let message = "holds anyone, so whoever reaches the port can claim to be any client, and \
                       permit_addr protects nothing: list only your reverse proxy";
        advice.warn(key, "", message);
    }
}

fn health(server: &ServerSettings, advice: &mut Advice<'_>) {
    let open = server.health.filter(|listen| !is_loopback(listen.ip()));
    if open.is_some() {
        let message = "is beyond loopback and admits anyone, whose requests each write to the \
                       disk: listen at 127.0.0.1, or let a firewall admit only your monitoring";
        advice.warn(&keys::websmsd::HEALTH_LISTEN, "", message);
    }
}

fn agi(server: &ServerSettings, advice: &mut Advice<'_>) {
    if server.agi.is_some() && is_anyone(&server.agi_permitted) {
        let message = "permits anyone, so whoever reaches agi_listen can send texts at your cost: \
                       list only the addresses of Asterisk";
        advice.warn(&keys::websmsd::AGI_PERMIT_ADDR, "", message);
    }
}

fn one_time_passwords(otp: &OtpSettings, advice: &mut Advice<'_>) {
    let key = &keys::otp::PERMIT_ADDR;
    let of_this_machine =
        |range: &IpNet| is_loopback(range.network()) && is_loopback(range.broadcast());
    if otp.client_token.is_none() && !otp.permitted.iter().all(of_this_machine) {
        let message = "contains addresses of other machines, and client_token is not set, so these \
                       machines can have codes sent at your cost: set client_token";
        advice.warn(key, "", message);
    }
    // A client that connects to an address of this machine has that address too.
    let local = otp.local_address().ip();
    if !otp.permitted.iter().any(|range| range.contains(&local)) {
        let message = format!(
            "does not contain {local}, so AGI(websms-otp,…) is refused: add it, unless you use \
             FastAGI"
        );
        advice.warn(key, "", &message);
    }
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether networks hold so much of the internet that they hold anyone.
fn is_anyone(networks: &[IpNet]) -> bool {
    let is_vast = |network: &IpNet| match network {
        IpNet::V4(network) => network.prefix_len() < V4_ANYONE,
        IpNet::V6(network) => network.prefix_len() < V6_ANYONE && !network.addr().is_unique_local(),
    };
    IpNet::aggregate(&networks.to_vec()).iter().any(is_vast)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vast_networks_hold_anyone() {
        for (networks, anyone) in [
            (&["0.0.0.0/0"][..], true),
            (&["::/0"], true),
            (&["0.0.0.0/1", "128.0.0.0/1"], true),
            (&["64.0.0.0/8", "65.0.0.0/8"], true),
            (&["2000::/3"], true),
            (&["192.0.2.1/32", "128.0.0.0/2"], true),
            (&["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"], false),
            (&["104.16.0.0/13", "2a06:98c0::/29"], false),
            (&["127.0.0.0/8", "::1/128", "fc00::/7"], false),
            (&[], false),
        ] {
            let networks: Vec<_> = networks.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(is_anyone(&networks), anyone, "{networks:?}");
        }
    }
}
