//! The operator killed at each of its steps, and with hundreds of servers at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream;
use sandglass_tests::cluster::{Ground, serving};
use sandglass_tests::{eventually, within};
use serde_json::{Value, json};

const SOURCE: &str = "def one() -> int:\n    return 1\n";

/// How many servers are made at once.
const MANY: usize = 500;

/// How long that may take on a busy machine.
const ALL_WITHIN: Duration = Duration::from_secs(600);

/// The most requests of the operator for each of them, watches aside, from its creation until it is ready.
const MOST_REQUESTS: usize = 16;

fn spec() -> Value {
    json!({ "type": "wasm-runtime", "config": { "tools": { "fromString": SOURCE } } })
}

/// What a server's objects ask for, without what the API server adds of its own each time.
async fn objects(ground: &Ground, server: &str) -> BTreeMap<&'static str, Value> {
    let policy = format!(
        "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies/mcpserver-{server}",
        ground.namespace
    );
    let mut objects = BTreeMap::new();
    for (name, path) in [
        (
            "account",
            ground.core(&format!("serviceaccounts/mcpserver-{server}")),
        ),
        (
            "service",
            ground.core(&format!("services/mcpserver-{server}")),
        ),
        (
            "state",
            ground.core(&format!("secrets/mcpserver-{server}-state")),
        ),
        ("policy", policy),
        ("deployment", ground.deployment(server)),
    ] {
        let object = ground.api.get(&path).await;
        let hash = object["metadata"]["annotations"]["sandglass.dev/hash"].clone();
        let owners = object["metadata"]["ownerReferences"]
            .as_array()
            .map(Vec::len);
        assert_eq!(owners, Some(1), "{object}");
        objects.insert(
            name,
            json!({ "hash": hash, "uid": object["metadata"]["uid"] }),
        );
    }
    objects
}

#[tokio::test]
async fn killed_at_any_step_it_goes_on_where_it_was() {
    let Some(ground) = Ground::new("steps").await else {
        return;
    };
    let launch = ground.launch();
    let mut steps = 0;
    loop {
        for carried_out in [false, true] {
            let name = format!("s{steps}-{carried_out}");
            let operator = launch.start().await;
            ground.proxy.cut(steps, carried_out);
            ground.server(&name, &spec()).await;
            let done = async {
                ground
                    .kubelet
                    .deployment(&format!("mcpserver-{name}"))
                    .await;
                ground.phase(&name, "Pending").await;
            };
            tokio::select! {
                () = ground.proxy.until_cut() => {}
                () = done => {}
            }
            operator.kill().await;
            let is_over = ground.proxy.heal();
            let operator = launch.start().await;
            ground
                .kubelet
                .deployment(&format!("mcpserver-{name}"))
                .await;
            ground.phase(&name, "Pending").await;
            serving(&ground.api, &ground.namespace, &format!("mcpserver-{name}")).await;
            ground.phase(&name, "Ready").await;
            let before = objects(&ground, &name).await;
            operator.kill().await;
            // Once more from the beginning: nothing is made again.
            let asked = ground.proxy.asked().len();
            let operator = launch.start().await;
            eventually("it has looked", async || {
                operator
                    .get("/metrics")
                    .await
                    .contains("reconciles_total 0\n")
                    .then_some(())
                    .is_none()
                    .then_some(())
            })
            .await;
            assert_eq!(objects(&ground, &name).await, before);
            let since = ground.proxy.asked().split_off(asked);
            let objects = since
                .iter()
                .filter(|asked| asked.writes() && asked.path.contains("/mcpserver-"));
            assert_eq!(objects.count(), 0, "{since:?}");
            operator.kill().await;
            if is_over {
                println!("it was killed at each of its {steps} writes");
                assert!(steps >= 6, "{steps}");
                return;
            }
        }
        steps += 1;
    }
}

#[tokio::test]
async fn hundreds_of_servers_at_once_become_ready_with_few_requests_each() {
    let Some(ground) = Ground::new("many").await else {
        return;
    };
    let operator = ground.launch().start().await;
    let asked = ground.proxy.asked().len();
    let start = Instant::now();
    let names: Vec<String> = (0..MANY).map(|index| format!("server-{index}")).collect();
    let ground = &ground;
    stream::iter(&names)
        .for_each_concurrent(16, |name| async move { ground.server(name, &spec()).await })
        .await;
    // The Deployment controller, which is not here.
    stream::iter(&names)
        .for_each_concurrent(16, |name| async move {
            let path = ground.deployment(name);
            within(ALL_WITHIN, "there is a Deployment", async || {
                ground.api.find(&path).await
            })
            .await;
            serving(&ground.api, &ground.namespace, &format!("mcpserver-{name}")).await;
        })
        .await;
    let list = format!(
        "/apis/kaos.tools/v1alpha1/namespaces/{}/mcpservers",
        ground.namespace
    );
    within(ALL_WITHIN, "all are ready", async || {
        let all = ground.api.get(&list).await;
        let ready = all["items"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|server| server["status"]["phase"] == "Ready");
        (ready.count() == MANY).then_some(())
    })
    .await;
    let seconds = start.elapsed().as_secs_f64();
    let asked = ground.proxy.asked().split_off(asked);
    let requests: Vec<_> = asked.iter().filter(|asked| !asked.watches).collect();
    let mut by_kind: BTreeMap<String, usize> = BTreeMap::new();
    for asked in &requests {
        let resource = asked
            .path
            .split('/')
            .skip_while(|part| *part != "namespaces")
            .nth(2)
            .unwrap_or("other");
        let kind = if asked.path.ends_with("/status") {
            "status"
        } else {
            ""
        };
        *by_kind
            .entry(format!("{} {resource} {kind}", asked.method))
            .or_default() += 1;
    }
    let each = requests.len() as f64 / MANY as f64;
    println!(
        "{MANY} servers are ready after {seconds:.1} s, with {each:.2} requests each: {by_kind:?}"
    );
    assert!(
        requests.len() <= MANY * MOST_REQUESTS,
        "{each} requests each: {by_kind:?}\n{}",
        operator.log()
    );
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_takes_over() {
    let Some(ground) = Ground::new("leader").await else {
        return;
    };
    let launch = ground.launch().arg("--leader-election");
    let first = launch.start().await;
    let second = launch.spawn();
    ground.server("one", &spec()).await;
    ground.phase("one", "Pending").await;
    assert_eq!(second.get("/healthz").await, "ok");
    let ready = second.get("/readyz").await;
    assert!(ready.contains("another replica leads"), "{ready}");
    first.kill().await;
    // A Lease is good for 15 s.
    eventually("the other one works", async || {
        (second.get("/readyz").await == "ok").then_some(())
    })
    .await;
    ground.server("two", &spec()).await;
    ground.phase("two", "Pending").await;
    // One that is told to stop gives the Lease back.
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/sandglass-operator";
    let held = ground.api.get(lease).await;
    assert!(held["spec"]["holderIdentity"].is_string(), "{held}");
    second.terminate();
    let (code, log) = second.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let given_back = ground.api.get(lease).await;
    assert_eq!(
        given_back["spec"]["holderIdentity"],
        Value::Null,
        "{given_back}"
    );
}
