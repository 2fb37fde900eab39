//! Which addresses may be connected to. Pure.
//!
//! The sender of a message chooses the host of its picture. So no address is
//! allowed that only this machine or its network can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether an address is public, or permitted by the administrator.
pub(crate) fn is_allowed(address: IpAddr, permitted: &[IpNet]) -> bool {
    is_permitted(address, permitted) || is_public(address)
}

/// Whether the administrator permits an address. An IPv4-mapped IPv6 address
/// counts as the IPv4 address.
pub(crate) fn is_permitted(address: IpAddr, permitted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    permitted.iter().any(|network| network.contains(&address))
}

/// Whether an address belongs to the public internet.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// All addresses but those in IANA's special-purpose registry (RFC 6890),
/// multicast, reserved ones, and the one of Azure's metadata service.
fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224..=255, ..]
            | [100, 64..=127, ..]
            | [168, 63, 129, 16]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Global unicast (RFC 4291, section 2.4) but for protocol assignments and
/// documentation. NAT64 (RFC 6052) and 6to4 (RFC 3056) lead to an IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(v4(high, low))
        }
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &str) -> Vec<IpAddr> {
        list.split_whitespace()
            .map(|a| a.parse().unwrap())
            .collect()
    }

    #[test]
    fn address_that_is_not_public_is_refused() {
        for address in addresses(
            "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.255
             127.0.0.1 127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1
             172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255
             198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
             :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254
             ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 64:ff9b::a9fe:a9fe
             64:ff9b:1::1.1.1.1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1
             2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1
             3fff::1 3fff:fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1",
        ) {
            assert!(!is_allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn public_address_is_allowed() {
        for address in addresses(
            "1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.0.0.1 128.0.0.1
             168.63.129.17 169.253.0.1 169.255.0.1 172.15.0.1 172.32.0.1 192.0.1.1 192.0.3.1
             192.167.0.1 192.169.0.1 198.17.0.1 198.20.0.1 203.0.112.1 223.255.255.255
             ::ffff:1.1.1.1 64:ff9b::1.1.1.1 2002:101:101::1 2001:200::1 2001:4860:4860::8888
             2600::1 2a00:1450::1 3ffe::1",
        ) {
            assert!(is_allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn permitted_address_is_allowed_and_no_other() {
        let permitted = ["127.0.0.1/32", "192.168.7.0/24", "fd00::/8"];
        let permitted = permitted.map(|network| network.parse().unwrap());
        for address in addresses("127.0.0.1 ::ffff:127.0.0.1 192.168.7.9 fd00::1") {
            assert!(is_allowed(address, &permitted), "{address}");
        }
        for address in addresses("127.0.0.2 192.168.8.9 fe80::1 64:ff9b::127.0.0.1 2002:7f00:1::") {
            assert!(!is_allowed(address, &permitted), "{address}");
        }
        assert!(!is_permitted("1.1.1.1".parse().unwrap(), &permitted));
    }
}
