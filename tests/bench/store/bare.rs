//! The ceilings: a server that stores nothing, and a store without a server.

use std::convert::Infallible;
use std::fs::{File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::usage::{Figures, cpu, resident};

/// Files that are synced at the same time.
const SIDE_BY_SIDE: usize = 8;

/// As large as the call file of the message that the clients post.
const SIZE: usize = 420;

/// Reads bodies and answers, until it is killed.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on {}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    assert!(body.is_ok_and(|body| !body.to_bytes().is_empty()));
    Ok(Response::new(Full::new(Bytes::new())))
}

/// Stores batches of files as durably as a message is: each is created,
/// written and synced, up to eight at a time; then all are renamed, and the
/// directory is synced once.
pub(crate) fn store(directory: &Path, batch: usize, lasts: Duration) -> Figures {
    let me = std::process::id();
    let (start, before) = (Instant::now(), cpu(me));
    let mut latencies = Vec::new();
    while start.elapsed() < lasts {
        let start_of_batch = Instant::now();
        store_batch(directory, latencies.len(), batch);
        latencies.extend(vec![start_of_batch.elapsed(); batch]);
    }
    let spent = cpu(me).checked_sub(before).unwrap();
    Figures::new(latencies, start.elapsed(), spent, resident(me))
}

fn store_batch(directory: &Path, first: usize, batch: usize) {
    let temporary: Vec<PathBuf> = (0..batch)
        .map(|number| directory.join(format!(".{number}.tmp")))
        .collect();
    if let [one] = temporary.as_slice() {
        write(one);
    } else {
        thread::scope(|scope| {
            for share in temporary.chunks(batch.div_ceil(SIDE_BY_SIDE)) {
                scope.spawn(|| share.iter().for_each(|path| write(path)));
            }
        });
    }
    for (number, path) in temporary.iter().enumerate() {
        let name = format!("{:08}.call", first + number);
        std::fs::rename(path, directory.join(name)).unwrap();
    }
    File::open(directory).unwrap().sync_all().unwrap();
}

fn write(path: &Path) {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(&[b'x'; SIZE]).unwrap();
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    file.sync_all().unwrap();
}
