//! A throw-away PostgreSQL cluster, gone with the process that started it, however that ends.

use std::{
    env, fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Another process may take the free port first; then another is tried.
const START_ATTEMPTS: u32 = 3;

/// Starts the server and waits for its standard input to end, which it does when the test process is gone, even
/// killed. `$0` is the folder, the arguments are the server's command.
const WATCHDOG: &str =
    r#""$@" >"$0/log" 2>&1 </dev/null & pg=$!; read -r _; kill -QUIT $pg; wait $pg; rm -rf "$0""#;

static SHARED: OnceLock<PgCluster> = OnceLock::new();

/// Waits until the logs of events tell all that was committed. On PostgreSQL they end before the oldest transaction that
/// still writes, and that may be another test's: it is so for every database of the cluster.
pub async fn logs_settle() {
    let Some(cluster) = SHARED.get() else { return };
    let (client, connection) = cluster.connect().await;
    let number = |function: &str| {
        let sql = format!("select cast(cast({function}(pg_current_snapshot()) as text) as bigint)");
        let client = &client;
        async move { client.query_one(&sql, &[]).await.expect("a snapshot is told").get::<_, i64>(0) }
    };
    let committed = number("pg_snapshot_xmax").await;
    let until = Instant::now() + START_TIMEOUT;
    while number("pg_snapshot_xmin").await < committed {
        assert!(Instant::now() < until, "a transaction does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(client);
    connection.await.expect("the connection's task ends");
}

/// A running server with fsync on, as in production. Dropping it stops it and removes its folder.
pub struct PgCluster {
    port: u16,
    folder: PathBuf,
    owner: Option<(u32, u32)>,
    /// They hold the write ends of their watchdogs' standard inputs; the server of the last one runs.
    watchdogs: Mutex<Vec<Child>>,
    databases: AtomicU32,
}

impl PgCluster {
    /// The cluster of this process, started by the first who asks.
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    /// Makes a cluster in a temporary folder and starts it on a free port of the loopback interface.
    pub fn start() -> Self {
        let owner = server_user();
        let folder =
            tempfile::Builder::new().prefix("nimbus-pg-").tempdir().expect("a temporary folder").keep();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            .expect("the folder is this process's");
        if let Some((uid, gid)) = owner {
            chown(&folder, Some(uid), Some(gid)).expect("root may give a folder away");
        }
        let data = folder.join("data");
        let made = command(&binary("initdb"), owner)
            .args(["--username=nimbus", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let watchdog = spawn(&folder, &data, port, owner);
            if is_ready(&data, false) {
                let watchdogs = Mutex::new(vec![watchdog]);
                return Self { port, folder, owner, watchdogs, databases: AtomicU32::new(0) };
            }
            stop(watchdog);
        }
        panic!("PostgreSQL does not start in {}", folder.display());
    }

    /// Stops the server at once, as a crash would: it recovers when it starts again.
    pub fn stop_at_once(&self) {
        let stopped = command(&binary("pg_ctl"), self.owner)
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(self.folder.join("data"))
            .status();
        assert!(stopped.expect("pg_ctl runs").success(), "PostgreSQL does not stop");
    }

    /// Starts the server again, on its port.
    pub fn start_again(&self) {
        let data = self.folder.join("data");
        for _ in 0..START_ATTEMPTS {
            let watchdog = spawn(&self.folder, &data, self.port, self.owner);
            self.watchdogs.lock().unwrap_or_else(PoisonError::into_inner).push(watchdog);
            if is_ready(&data, true) {
                return;
            }
        }
        panic!("PostgreSQL does not start again in {}", self.folder.display());
    }

    /// The address of a database of this cluster.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://nimbus@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Makes an empty database with the collation of production; its address.
    pub async fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let (client, connection) = self.connect().await;
        let sql =
            format!("create database {name} template template0 lc_collate 'C' lc_ctype 'C' encoding 'UTF8'");
        client.batch_execute(&sql).await.expect("a database is made");
        drop(client);
        connection.await.expect("the connection's task ends");
        self.url(&name)
    }

    /// A connection, and the task that serves it until it is dropped.
    async fn connect(&self) -> (Client, JoinHandle<()>) {
        let (client, connection) =
            tokio_postgres::connect(&self.url("postgres"), NoTls).await.expect("the cluster answers");
        (client, tokio::spawn(async { connection.await.expect("the connection ends well") }))
    }
}

impl Drop for PgCluster {
    fn drop(&mut self) {
        let watchdogs = self.watchdogs.get_mut().unwrap_or_else(PoisonError::into_inner);
        while let Some(watchdog) = watchdogs.pop() {
            stop(watchdog);
        }
    }
}

fn stop(mut watchdog: Child) {
    drop(watchdog.stdin.take());
    drop(watchdog.wait());
}

fn spawn(folder: &Path, data: &Path, port: u16, owner: Option<(u32, u32)>) -> Child {
    command(Path::new("/bin/sh"), owner)
        .args(["-c", WATCHDOG])
        .arg(folder)
        .arg(binary("postgres"))
        .arg("-D")
        .arg(data)
        .args(["-p", &port.to_string()])
        .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400", "-c", "fsync=on"])
        .args(["-c", &format!("unix_socket_directories={}", folder.display())])
        .stdin(Stdio::piped())
        // An interrupt at the terminal ends the tests; the watchdog must outlive them to clean up.
        .process_group(0)
        .spawn()
        .expect("a shell runs")
}

fn command(program: &Path, owner: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").stdout(Stdio::null()).env_remove("PGDATA");
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    command
}

/// The server writes its state as the last line of its pid file. One that recovers tells who connects meanwhile that it
/// is fatal.
fn is_ready(data: &Path, recovers: bool) -> bool {
    let until = Instant::now() + START_TIMEOUT;
    while Instant::now() < until {
        let state = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return true;
        }
        let log = fs::read_to_string(data.with_file_name("log")).unwrap_or_default();
        if log.contains("FATAL") && !recovers || log.contains("database system is shut down") {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    false
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback interface is there");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// PostgreSQL refuses to run as root: then as `postgres`, or else `nobody`, by user and group number.
fn server_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").expect("/proc is mounted").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the list of users is readable");
    ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(*name))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// From `PATH`, or where Debian keeps it, the newest version first.
fn binary(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    env::split_paths(&path)
        .chain(debian.into_iter().rev())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("`{name}` is missing: install PostgreSQL (Debian, Ubuntu: apt-get install postgresql)")
        })
}
