//! A store in a Redis server, which several hosts can share.
//!
//! A tenant's values lie in one hash, the order of their keys in a sorted set, and the bytes of keys and values in another
//! hash. Each change is a script, which Redis runs as one step: so the sum of bytes is exact whoever else writes.
//! What the keys cost beside is reckoned from their number.
//!
//! Numbers here are what the server says: what is reckoned with them saturates, or is checked.
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, FromRedisValue, RedisError, Script,
    ScriptInvocation, cmd,
};
use sandglass_manifest::ByteSize;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::bucket::{Change, Failure, KEY_COST, MAX_KEYS, MAX_VALUE, Outcome, Page, page};

/// How long the server may take for an answer, with connecting.
const PATIENCE: Duration = Duration::from_secs(2);

/// After this time without use a connection is tried before it is used: balancers and servers close idle ones.
const IDLE: Duration = Duration::from_secs(30);

static GET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/get.lua")));
static SET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/set.lua")));
static DELETE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/delete.lua")));
static INCREMENT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("redis/increment.lua")));
static INSERT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/insert.lua")));
static SWAP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis/swap.lua")));

/// A Redis server, and the connection to it while there is one.
pub(super) struct Redis {
    store: Box<str>,
    client: Client,
    /// Not the crate's connection manager: that gives the first caller after an outage the outage's error,
    /// and never tries again after a failed authentication.
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    multiplexed: MultiplexedConnection,
    used: Instant,
}

/// What is sent.
enum Request<'s> {
    Command(Cmd),
    Script(ScriptInvocation<'s>),
}

/// The names in Redis of what belongs to one tenant.
struct Names {
    values: String,
    order: String,
    usage: String,
}

impl Redis {
    /// The server at this URL; nothing is sent yet. An error says what to do and does not quote the URL,
    /// which may hold a password.
    pub(super) fn new(store: &str, url: &str) -> Result<Self, String> {
        let client = Client::open(url).map_err(|_| {
            "what it holds is no URL of a Redis server; write redis://host:6379/0, or rediss:// for TLS"
        })?;
        Ok(Self {
            store: store.into(),
            client,
            connection: Mutex::new(None),
        })
    }

    /// Whether the server answers.
    pub(super) async fn ping(&self) -> Result<(), Failure> {
        self.ask(Request::Command(cmd("PING"))).await
    }

    /// The server's clock, since 1970.
    pub(super) async fn now(&self) -> Result<Duration, Failure> {
        let (seconds, micros): (u64, u64) = self.ask(Request::Command(cmd("TIME"))).await?;
        Ok(Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)))
    }

    /// The values of the keys, or `None` if they are too much together.
    pub(super) async fn get(
        &self,
        tenant: &str,
        keys: Vec<String>,
    ) -> Result<Option<Vec<Option<Vec<u8>>>>, Failure> {
        let mut get = GET.key(self.names(tenant).values);
        get.arg(MAX_VALUE.get()).arg(keys);
        self.ask(Request::Script(get)).await
    }

    pub(super) async fn exists(&self, tenant: &str, key: String) -> Result<bool, Failure> {
        let mut exists = cmd("HEXISTS");
        exists.arg(self.names(tenant).values).arg(key);
        self.ask(Request::Command(exists)).await
    }

    pub(super) async fn list(&self, tenant: &str, after: u64) -> Result<Page, Failure> {
        let mut list = cmd("ZRANGEBYSCORE");
        list.arg(self.names(tenant).order)
            .arg(format!("({after}"))
            .arg("+inf")
            .arg("WITHSCORES")
            .arg("LIMIT")
            .arg(0)
            .arg(MAX_KEYS.saturating_add(1));
        let entries: Vec<(String, f64)> = self.ask(Request::Command(list)).await?;
        // Places are counted from 1: they stay far below where a double leaves out integers.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a server that counts otherwise gets its own number back, cut to what there can be"
        )]
        let places = entries.into_iter().map(|(key, place)| (key, place as u64));
        Ok(page(places.collect()))
    }

    pub(super) async fn change(
        &self,
        tenant: &str,
        quota: ByteSize,
        change: Change,
    ) -> Result<Outcome, Failure> {
        let Names {
            values,
            order,
            usage,
        } = self.names(tenant);
        let script = match &change {
            Change::Set(_) => &SET,
            Change::Delete(_) => &DELETE,
            Change::Increment { .. } => &INCREMENT,
            Change::Insert { .. } => &INSERT,
            Change::Swap { .. } => &SWAP,
        };
        let mut script = script.key(values);
        script.key(order).key(usage);
        match change {
            Change::Set(entries) => {
                script.arg(quota.get()).arg(KEY_COST);
                for (key, value) in entries {
                    script.arg(key).arg(value);
                }
            }
            Change::Delete(keys) => {
                script.arg(keys);
            }
            Change::Increment { key, delta } => {
                script.arg(quota.get()).arg(KEY_COST).arg(key).arg(delta);
            }
            Change::Insert { key, value, most } => {
                script
                    .arg(quota.get())
                    .arg(KEY_COST)
                    .arg(key)
                    .arg(value)
                    .arg(most);
            }
            Change::Swap { key, old, new } => {
                script
                    .arg(quota.get())
                    .arg(KEY_COST)
                    .arg(key)
                    .arg(old)
                    .arg(new);
            }
        }
        let answer: String = self.ask(Request::Script(script)).await?;
        match answer.as_str() {
            "done" => Ok(Outcome::Done),
            "full" => Ok(Outcome::Full),
            "differs" => Ok(Outcome::Differs),
            "crowded" => Ok(Outcome::Crowded),
            "not a number" => Ok(Outcome::NotANumber),
            "overflow" => Ok(Outcome::Overflow),
            number => number
                .parse()
                .map(Outcome::Counted)
                .map_err(|_| Failure::Broken("a script's answer is not known".to_owned())),
        }
    }

    /// Lengths stand before the names, so that no store and tenant share a name with others. All names
    /// of one tenant have the same hash tag: a script's keys must lie on one node of a cluster.
    fn names(&self, tenant: &str) -> Names {
        let store = &self.store;
        let (s, t) = (store.len(), tenant.len());
        let tag = format!("sandglass:{{{s}:{store}:{t}:{tenant}}}");
        Names {
            values: format!("{tag}:values"),
            order: format!("{tag}:order"),
            usage: format!("{tag}:usage"),
        }
    }

    async fn ask<T: FromRedisValue>(&self, request: Request<'_>) -> Result<T, Failure> {
        let answer = timeout(PATIENCE, async {
            let mut connection = self.connection().await?;
            match request {
                Request::Command(command) => command.query_async(&mut connection).await,
                Request::Script(script) => script.invoke_async(&mut connection).await,
            }
        });
        let reason = match answer.await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_servers_own(&error) => {
                return Err(Failure::Broken(error.to_string()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        // Whoever holds the lock is making a new connection already.
        if let Ok(mut connection) = self.connection.try_lock() {
            *connection = None;
        }
        let address = self.client.get_connection_info().addr();
        Err(Failure::Unreachable(format!("{address}: {reason}")))
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut slot = self.connection.lock().await;
        if let Some(open) = &mut *slot {
            let mut connection = open.multiplexed.clone();
            let alive =
                open.used.elapsed() < IDLE || cmd("PING").exec_async(&mut connection).await.is_ok();
            if alive {
                open.used = Instant::now();
                return Ok(connection);
            }
        }
        // The time for the whole answer is bounded where it is asked for.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let multiplexed = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        *slot = Some(Connection {
            multiplexed: multiplexed.clone(),
            used: Instant::now(),
        });
        Ok(multiplexed)
    }
}

/// Whether the server answered, with an error.
fn is_servers_own(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType
    )
}
