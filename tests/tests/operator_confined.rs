//! What an MCPServer's `podSpec` asks for, the operator has the right to make and its author may not: with `--confine-pod-spec`
//! that is refused, and what served before serves on.

use sandglass_tests::cluster::Ground;
use sandglass_tests::cluster::guide::{CALCULATOR, condition, python};
use serde_json::{Value, json};

fn with(pod: Value) -> Value {
    let mut spec = python(CALCULATOR);
    spec["podSpec"] = pod;
    spec
}

#[tokio::test]
async fn a_pod_spec_that_leads_out_of_the_pod_is_refused_and_what_served_stays() {
    let Some(ground) = Ground::new("confined").await else {
        return;
    };
    let _operator = ground
        .launch()
        .arg("--adopt=python-runtime")
        .arg("--confine-pod-spec")
        .start()
        .await;
    let harmless = with(
        json!({ "containers": [{ "name": "mcp-server", "resources": { "requests": { "memory": "128Mi" } } }] }),
    );
    ground.server("tools", &harmless).await;
    let pod = ground.kubelet.run("tools").await;
    ground.phase("tools", "Ready").await;
    let path = ground.deployment("tools");
    let generation = |deployment: &Value| deployment["metadata"]["generation"].clone();
    let before = generation(&ground.api.get(&path).await);
    for (pod, told) in [
        (
            json!({ "hostNetwork": true }),
            "spec.podSpec.hostNetwork: `true` is refused by the operator's `--confine-pod-spec`; remove it",
        ),
        (
            json!({ "volumes": [{ "name": "node", "hostPath": { "path": "/" } }] }),
            "spec.podSpec.volumes[node].hostPath: ",
        ),
        (
            json!({ "serviceAccountName": "default" }),
            "spec.podSpec.serviceAccountName: `default` is refused",
        ),
        (
            json!({ "containers": [{ "name": "sidecar", "image": "a" }] }),
            "spec.podSpec.containers[sidecar].securityContext.allowPrivilegeEscalation: ",
        ),
    ] {
        ground
            .api
            .change(&ground.namespace, "tools", &with(pod))
            .await;
        let failed = ground
            .until("tools", told, |status| {
                let message = status["message"].as_str().unwrap_or_default();
                status["phase"] == "Failed" && message.contains(told)
            })
            .await;
        let accepted = condition(&failed, "Accepted");
        assert_eq!(
            (&accepted["status"], &accepted["reason"]),
            (&json!("False"), &json!("ConfinedPodSpec"))
        );
        assert_eq!(failed["ready"], true, "what served serves on: {failed}");
        assert_eq!(generation(&ground.api.get(&path).await), before);
    }
    ground
        .api
        .change(&ground.namespace, "tools", &harmless)
        .await;
    ground.phase("tools", "Ready").await;
    ground.kubelet.stop(pod).await;
    // Nothing is made of one that asks for it from the beginning.
    ground
        .server("new", &with(json!({ "hostPID": true })))
        .await;
    ground.phase("new", "Failed").await;
    assert!(
        ground.api.find(&ground.deployment("new")).await.is_none(),
        "there is no Deployment"
    );
}
