//! HTTP Digest against servers that are not ours: they ask, and pass on to a stand-in
//! provider what is answered well.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::proxy::{KINDS, Kind, Proxy};
use crate::support::{Answer, Installation, Provider};

const REMOTE: &str = "+12025550183";
const JOHN: &str = "+12025550160";
const REALM: &str = "SMS Server";

fn kind(name: &str) -> &'static Kind {
    KINDS.iter().find(|kind| kind.name == name).unwrap()
}

fn apache(users: &Path, provider: &Provider) -> String {
    let modules = ["authn_core", "authn_file", "authz_user", "auth_digest"];
    let modules = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    format!(
        "{}<VirtualHost *:80>\n<Location \"/\">\nAuthType Digest\nAuthName \"{REALM}\"\n\
         AuthUserFile {}\nRequire valid-user\n</Location>\nProxyPass / {}/\n</VirtualHost>\n",
        modules.concat(),
        users.display(),
        provider.url()
    )
}

fn lighttpd(users: &Path, provider: &Provider, algorithm: &str) -> String {
    format!(
        "server.modules = (\"mod_auth\", \"mod_authn_file\", \"mod_proxy\")\n\
         auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{}\"\n\
         auth.require = (\"/\" => (\"method\" => \"digest\", \"algorithm\" => \"{algorithm}\",\n\
         \"realm\" => \"{REALM}\", \"require\" => \"valid-user\"))\n\
         proxy.server = (\"\" => ((\"host\" => \"127.0.0.1\", \"port\" => {})))\n",
        users.display(),
        provider.address.port()
    )
}

/// Three messages arrive, in order and once; a wrong password sends nothing.
fn check(kind: &Kind, snippet: &str, provider: &Provider) {
    let proxy = Proxy::with(kind, snippet);
    let mut setup = Installation::new(|spool| {
        format!(
            "[websms]\noutboxdir = {}/outbox\ndelivery = queue\nhost = http://{}\n\
             path = /send?a=b\nauth_method = digest\nauth_user = api\nauth_secret = s3cret\n{}",
            spool.path().display(),
            proxy.address,
            spool.section()
        )
    });
    let daemon = setup.start();
    for text in ["one", "two", "three"] {
        setup.send(&[REMOTE, JOHN, text]);
    }
    setup.outbox().wait_until_empty();
    let log = setup.stop(daemon);
    let texts = provider.requests();
    let texts = texts.iter().map(|it| it.parameters()["Body"].clone());
    assert_eq!(texts.collect::<Vec<_>>(), ["one", "two", "three"], "{log}");
    setup.replace("s3cret", "other");
    setup.replace("queue", "direct");
    let variables = setup.send(&[REMOTE, JOHN, "four"]);
    assert_eq!(variables["WEBSMS_ERROR"], "credentials not accepted");
    assert_eq!(provider.requests().len(), 3);
}

#[test]
fn apache_accepts_the_answers() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let users = directory.path().join("users");
    // printf 'api:SMS Server:s3cret' | md5sum
    fs::write(&users, "api:SMS Server:709102c16195f5c70e421e1e6422cc3e\n").unwrap();
    let provider = Provider::answering(Answer::ok());
    check(kind("Apache"), &apache(&users, &provider), &provider);
}

#[test]
fn lighttpd_accepts_the_answers() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let users = directory.path().join("users");
    fs::write(&users, "api:s3cret\n").unwrap();
    for algorithm in ["MD5", "SHA-256"] {
        let provider = Provider::answering(Answer::ok());
        let snippet = lighttpd(&users, &provider, algorithm);
        check(kind("lighttpd"), &snippet, &provider);
    }
}
