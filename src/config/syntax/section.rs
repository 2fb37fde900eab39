//! The sections of `websms.conf`.

/// A section of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Section {
    /// `[astqueue]`: call files.
    Astqueue,
    /// `[otp]`: one-time passwords.
    Otp,
    /// `[websms]`: to the provider.
    Websms,
    /// `[websmsd]`: from the provider.
    Websmsd,
    /// `[whatsapp]`: the account at a WhatsApp gateway.
    Whatsapp,
}

impl Section {
    /// In the order of the reference.
    pub(crate) const ALL: [Self; 5] = [
        Self::Websms,
        Self::Websmsd,
        Self::Astqueue,
        Self::Whatsapp,
        Self::Otp,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Astqueue => "astqueue",
            Self::Otp => "otp",
            Self::Websms => "websms",
            Self::Websmsd => "websmsd",
            Self::Whatsapp => "whatsapp",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }
}
