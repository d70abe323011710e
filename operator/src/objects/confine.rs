//! What the pod of a server may have where `spec.podSpec` is confined: nothing that the `restricted` Pod Security Standard
//! refuses (Kubernetes documentation, "Pod Security Standards"), and nothing that would lend the operator's rights to whoever
//! may write a server: another service account than the server's own, a token of it, a node of one's choice.
//!
//! The whole pod is looked at, with the patch in it, so that it does not matter how a patch brings something in, or takes away
//! what the operator sets. What is not known here is refused: the types are taken apart field by field, so that a field that is
//! new in the API does not come in by itself.

use std::fmt::Display;

use k8s_openapi::api::core::v1::{
    AppArmorProfile, Capabilities, Container, ContainerPort, HTTPGetAction, Lifecycle,
    LifecycleHandler, PodSecurityContext, PodSpec, Probe, SELinuxOptions, SeccompProfile,
    SecurityContext, Sysctl, TCPSocketAction, Volume, WindowsSecurityContextOptions,
};
use serde_json::{Map, Value};

use crate::plan::{Problem, Reason};

/// What a volume may be made of.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What a projected volume may have: no tokens.
const PROJECTIONS: [&str; 4] = ["clusterTrustBundle", "configMap", "downwardAPI", "secret"];

const SECCOMP: [&str; 2] = ["RuntimeDefault", "Localhost"];
const APP_ARMOR: [&str; 2] = ["RuntimeDefault", "Localhost"];

const SE_LINUX: [&str; 4] = [
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// Kernel parameters of the pod alone.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Priorities that are Kubernetes' own begin so.
const SYSTEM: &str = "system-";

/// The longest text of a spec that is shown, in characters.
const MAX_SHOWN: usize = 64;

/// Errors if the pod has what a confined one may not, with the field's path in the server's spec. `account` is its own.
pub(super) fn check(spec: &Map<String, Value>, account: &str) -> Result<(), Problem> {
    let spec = Value::Object(spec.clone());
    let read: PodSpec = serde_path_to_error::deserialize(&spec).map_err(|error| {
        let field = format!("spec.podSpec.{}", error.path());
        let message = format!("{}; correct it", error.inner());
        Problem::new(Reason::InvalidPodSpec, field, message)
    })?;
    let known = serde_json::to_value(&read).expect("it was read from JSON");
    if let Some(place) = unknown(&spec, &known) {
        let place = place.trim_start_matches('.');
        return refuse(
            place,
            "a field that the operator does not know",
            "remove it",
        );
    }
    pod(&read, account)
}

/// The first place of a value that its types do not have.
fn unknown(given: &Value, known: &Value) -> Option<String> {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().find_map(|(key, given)| {
            let place = match known.get(key) {
                Some(known) => unknown(given, known)?,
                None if given.is_null() => return None,
                None => String::new(),
            };
            Some(format!(".{}{place}", plain(key)))
        }),
        (Value::Array(given), Value::Array(known)) => {
            let mut pairs = given.iter().zip(known).enumerate();
            pairs.find_map(|(at, (given, known))| {
                let place = unknown(given, known)?;
                let name = given["name"].as_str().map(plain);
                let name = name.unwrap_or_else(|| at.to_string());
                Some(format!("[{name}]{place}"))
            })
        }
        _ => None,
    }
}

fn pod(spec: &PodSpec, account: &str) -> Result<(), Problem> {
    let PodSpec {
        automount_service_account_token,
        containers,
        ephemeral_containers,
        host_ipc,
        host_network,
        host_pid,
        init_containers,
        node_name,
        priority_class_name,
        security_context,
        service_account,
        service_account_name,
        volumes,
        // Among the nodes that there are for pods a scheduler decides, and taints hold for what no toleration names.
        affinity: _,
        node_selector: _,
        scheduler_name: _,
        scheduling_gates: _,
        tolerations: _,
        topology_spread_constraints: _,
        // The cluster's own admission sees to these.
        overhead: _,
        preemption_policy: _,
        priority: _,
        resource_claims: _,
        resources: _,
        runtime_class_name: _,
        // How the pod begins and ends, and what it sees of itself and of names.
        active_deadline_seconds: _,
        dns_config: _,
        dns_policy: _,
        enable_service_links: _,
        host_aliases: _,
        host_users: _,
        hostname: _,
        image_pull_secrets: _,
        os: _,
        readiness_gates: _,
        restart_policy: _,
        set_hostname_as_fqdn: _,
        share_process_namespace: _,
        subdomain: _,
        termination_grace_period_seconds: _,
    } = spec;
    off("hostIPC", *host_ipc)?;
    off("hostNetwork", *host_network)?;
    off("hostPID", *host_pid)?;
    off(
        "automountServiceAccountToken",
        *automount_service_account_token,
    )?;
    for (place, given, may_be_missing) in [
        ("serviceAccountName", service_account_name, false),
        ("serviceAccount", service_account, true),
    ] {
        let right = format!("the pod's account is `{account}`: leave the field to the operator");
        match given.as_deref() {
            Some(given) if given == account => {}
            None if may_be_missing => {}
            Some(given) => return refuse(place, shown(given), &right),
            None => return refuse(place, "no account of its own", &right),
        }
    }
    if let Some(node) = node_name {
        let right = "remove it, and let a scheduler choose among the nodes that `nodeSelector` or `affinity` name";
        return refuse("nodeName", shown(node), right);
    }
    if let Some(class) = priority_class_name
        && class.starts_with(SYSTEM)
    {
        let right = "what begins with `system-` is Kubernetes' own; name another class, or none";
        return refuse("priorityClassName", shown(class), right);
    }
    if ephemeral_containers
        .as_ref()
        .is_some_and(|it| !it.is_empty())
    {
        let right = "a Deployment's pods have none; remove them";
        return refuse(
            "ephemeralContainers",
            "what is added to a running pod",
            right,
        );
    }
    for volume in volumes.iter().flatten() {
        check_volume(volume)?;
    }
    let context = security_context.clone().unwrap_or_default();
    let inherited = pod_security("securityContext", &context)?;
    for (list, containers) in [
        ("containers", Some(containers)),
        ("initContainers", init_containers.as_ref()),
    ] {
        for container in containers.into_iter().flatten() {
            let place = format!("{list}[{}]", plain(&container.name));
            check_container(&place, container, inherited)?;
        }
    }
    Ok(())
}

fn check_volume(volume: &Volume) -> Result<(), Problem> {
    let place = format!("volumes[{}]", plain(&volume.name));
    let kinds = keys(volume);
    if let Some(kind) = kinds.iter().find(|kind| {
        let is_name = *kind == "name";
        !is_name && !VOLUMES.contains(&kind.as_str())
    }) {
        let right = format!("use one of {}", VOLUMES.join(", "));
        return refuse(&format!("{place}.{kind}"), "this kind of volume", &right);
    }
    let projected = volume.projected.iter().flat_map(|it| &it.sources).flatten();
    for (index, source) in projected.enumerate() {
        if let Some(kind) = keys(source)
            .iter()
            .find(|kind| !PROJECTIONS.contains(&kind.as_str()))
        {
            let place = format!("{place}.projected.sources[{index}].{kind}");
            let right = format!("use one of {}", PROJECTIONS.join(", "));
            return refuse(&place, "this kind of source", &right);
        }
    }
    Ok(())
}

/// The fields that a value has.
fn keys(value: &impl serde::Serialize) -> Vec<String> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields.into_iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    }
}

/// What containers have of their pod, where they say nothing themselves.
#[derive(Clone, Copy)]
struct Inherited {
    non_root: bool,
    seccomp: bool,
}

fn pod_security(place: &str, context: &PodSecurityContext) -> Result<Inherited, Problem> {
    let PodSecurityContext {
        app_armor_profile,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        sysctls,
        windows_options,
        fs_group: _,
        fs_group_change_policy: _,
        run_as_group: _,
        se_linux_change_policy: _,
        supplemental_groups: _,
        supplemental_groups_policy: _,
    } = context;
    // Here they may be missing, and each container has to have them then.
    let may_be_missing = Inherited {
        non_root: true,
        seccomp: true,
    };
    check_user(place, *run_as_non_root, *run_as_user, may_be_missing)?;
    check_seccomp(place, seccomp_profile.as_ref(), may_be_missing)?;
    check_app_armor(place, app_armor_profile.as_ref())?;
    check_se_linux(place, se_linux_options.as_ref())?;
    check_windows(place, windows_options.as_ref())?;
    for Sysctl { name, value: _ } in sysctls.iter().flatten() {
        if !SYSCTLS.contains(&name.as_str()) {
            let place = format!("{place}.sysctls");
            let right = format!(
                "the kernel parameters of a pod alone are {}",
                SYSCTLS.join(", ")
            );
            return refuse(&place, shown(name), &right);
        }
    }
    Ok(Inherited {
        non_root: *run_as_non_root == Some(true),
        seccomp: seccomp_profile.is_some(),
    })
}

fn check_container(
    place: &str,
    container: &Container,
    inherited: Inherited,
) -> Result<(), Problem> {
    let Container {
        lifecycle,
        liveness_probe,
        ports,
        readiness_probe,
        security_context,
        startup_probe,
        // What runs, and what it has of the namespace's own.
        args: _,
        command: _,
        env: _,
        env_from: _,
        image: _,
        image_pull_policy: _,
        name: _,
        resize_policy: _,
        resources: _,
        restart_policy: _,
        stdin: _,
        stdin_once: _,
        termination_message_path: _,
        termination_message_policy: _,
        tty: _,
        volume_devices: _,
        volume_mounts: _,
        working_dir: _,
    } = container;
    for port in ports.iter().flatten() {
        let ContainerPort {
            container_port,
            host_port,
            host_ip: _,
            name: _,
            protocol: _,
        } = port;
        if let Some(port) = host_port.filter(|port| *port != 0) {
            let place = format!("{place}.ports[{container_port}].hostPort");
            return refuse(&place, format!("`{port}`"), "remove it, and use a Service");
        }
    }
    for (key, probe) in [
        ("livenessProbe", liveness_probe),
        ("readinessProbe", readiness_probe),
        ("startupProbe", startup_probe),
    ] {
        let Some(probe) = probe else { continue };
        let Probe {
            http_get,
            tcp_socket,
            exec: _,
            failure_threshold: _,
            grpc: _,
            initial_delay_seconds: _,
            period_seconds: _,
            success_threshold: _,
            termination_grace_period_seconds: _,
            timeout_seconds: _,
        } = probe;
        check_asked(
            &format!("{place}.{key}"),
            http_get.as_ref(),
            tcp_socket.as_ref(),
        )?;
    }
    if let Some(lifecycle) = lifecycle {
        let Lifecycle {
            post_start,
            pre_stop,
            stop_signal: _,
        } = lifecycle;
        for (key, handler) in [("postStart", post_start), ("preStop", pre_stop)] {
            let Some(handler) = handler else { continue };
            let LifecycleHandler {
                http_get,
                tcp_socket,
                exec: _,
                sleep: _,
            } = handler;
            let place = format!("{place}.lifecycle.{key}");
            check_asked(&place, http_get.as_ref(), tcp_socket.as_ref())?;
        }
    }
    let context = security_context.clone().unwrap_or_default();
    container_security(&format!("{place}.securityContext"), &context, inherited)
}

/// The node's own kubelet asks, from the node's network.
fn check_asked(
    place: &str,
    http_get: Option<&HTTPGetAction>,
    tcp_socket: Option<&TCPSocketAction>,
) -> Result<(), Problem> {
    let http = http_get.and_then(|asked| asked.host.as_deref());
    let tcp = tcp_socket.and_then(|asked| asked.host.as_deref());
    for (key, host) in [("httpGet", http), ("tcpSocket", tcp)] {
        if let Some(host) = host.filter(|host| !host.is_empty()) {
            let right = "remove it: then the pod itself is asked";
            return refuse(&format!("{place}.{key}.host"), shown(host), right);
        }
    }
    Ok(())
}

fn container_security(
    place: &str,
    context: &SecurityContext,
    inherited: Inherited,
) -> Result<(), Problem> {
    let SecurityContext {
        allow_privilege_escalation,
        app_armor_profile,
        capabilities,
        privileged,
        proc_mount,
        run_as_non_root,
        run_as_user,
        se_linux_options,
        seccomp_profile,
        windows_options,
        read_only_root_filesystem: _,
        run_as_group: _,
    } = context;
    off(&format!("{place}.privileged"), *privileged)?;
    let escalation = format!("{place}.allowPrivilegeEscalation");
    match allow_privilege_escalation {
        Some(false) => {}
        Some(true) => return refuse(&escalation, "`true`", "write `false`"),
        None => return refuse(&escalation, "leaving it out", "write `false`"),
    }
    check_capabilities(&format!("{place}.capabilities"), capabilities.as_ref())?;
    one_of(
        &format!("{place}.procMount"),
        proc_mount.as_deref(),
        &["Default"],
    )?;
    check_user(place, *run_as_non_root, *run_as_user, inherited)?;
    check_seccomp(place, seccomp_profile.as_ref(), inherited)?;
    check_app_armor(place, app_armor_profile.as_ref())?;
    check_se_linux(place, se_linux_options.as_ref())?;
    check_windows(place, windows_options.as_ref())
}

fn check_capabilities(place: &str, given: Option<&Capabilities>) -> Result<(), Problem> {
    let Capabilities { add, drop } = given.cloned().unwrap_or_default();
    if !drop.iter().flatten().any(|name| name == "ALL") {
        let right = "write `[ALL]`, and `NET_BIND_SERVICE` in `add` where it is needed";
        return refuse(&format!("{place}.drop"), "keeping capabilities", right);
    }
    let more = add
        .iter()
        .flatten()
        .find(|name| *name != "NET_BIND_SERVICE");
    match more {
        None => Ok(()),
        Some(name) => {
            let right = "`NET_BIND_SERVICE` alone may be added";
            refuse(&format!("{place}.add"), shown(name), right)
        }
    }
}

fn check_user(
    place: &str,
    run_as_non_root: Option<bool>,
    run_as_user: Option<i64>,
    inherited: Inherited,
) -> Result<(), Problem> {
    let non_root = format!("{place}.runAsNonRoot");
    match run_as_non_root {
        Some(true) => {}
        None if inherited.non_root => {}
        Some(false) => return refuse(&non_root, "`false`", "write `true`"),
        None => return refuse(&non_root, "leaving it out", "write `true`"),
    }
    if run_as_user == Some(0) {
        let right = "name another user than root, or none";
        return refuse(&format!("{place}.runAsUser"), "`0`", right);
    }
    Ok(())
}

fn check_seccomp(
    place: &str,
    profile: Option<&SeccompProfile>,
    inherited: Inherited,
) -> Result<(), Problem> {
    let place = format!("{place}.seccompProfile.type");
    match profile {
        Some(profile) => one_of(&place, Some(&profile.type_), &SECCOMP),
        None if inherited.seccomp => Ok(()),
        None => refuse(&place, "leaving it out", "write `RuntimeDefault`"),
    }
}

fn check_app_armor(place: &str, profile: Option<&AppArmorProfile>) -> Result<(), Problem> {
    let kind = profile.map(|profile| &*profile.type_);
    one_of(&format!("{place}.appArmorProfile.type"), kind, &APP_ARMOR)
}

fn check_se_linux(place: &str, options: Option<&SELinuxOptions>) -> Result<(), Problem> {
    let Some(SELinuxOptions {
        role,
        type_,
        user,
        level: _,
    }) = options
    else {
        return Ok(());
    };
    let place = format!("{place}.seLinuxOptions");
    let kind = type_.as_deref().filter(|kind| !kind.is_empty());
    one_of(&format!("{place}.type"), kind, &SE_LINUX)?;
    empty(&format!("{place}.user"), user.as_deref())?;
    empty(&format!("{place}.role"), role.as_deref())
}

fn check_windows(
    place: &str,
    options: Option<&WindowsSecurityContextOptions>,
) -> Result<(), Problem> {
    let Some(WindowsSecurityContextOptions {
        gmsa_credential_spec,
        gmsa_credential_spec_name,
        host_process,
        run_as_user_name: _,
    }) = options
    else {
        return Ok(());
    };
    let place = format!("{place}.windowsOptions");
    off(&format!("{place}.hostProcess"), *host_process)?;
    // An account of the domain is a foreign one too.
    empty(
        &format!("{place}.gmsaCredentialSpec"),
        gmsa_credential_spec.as_deref(),
    )?;
    empty(
        &format!("{place}.gmsaCredentialSpecName"),
        gmsa_credential_spec_name.as_deref(),
    )
}

/// `false`, or not there.
fn off(place: &str, given: Option<bool>) -> Result<(), Problem> {
    match given {
        Some(true) => refuse(place, "`true`", "remove it"),
        Some(false) | None => Ok(()),
    }
}

/// Empty, or not there.
fn empty(place: &str, given: Option<&str>) -> Result<(), Problem> {
    match given.filter(|given| !given.is_empty()) {
        Some(given) => refuse(place, shown(given), "remove it"),
        None => Ok(()),
    }
}

/// One of these, or not there.
fn one_of(place: &str, given: Option<&str>, allowed: &[&str]) -> Result<(), Problem> {
    match given.filter(|given| !allowed.contains(given)) {
        Some(given) => {
            let allowed: Vec<String> = allowed.iter().map(|word| format!("`{word}`")).collect();
            let right = format!("write {}", allowed.join(" or "));
            refuse(place, shown(given), &right)
        }
        None => Ok(()),
    }
}

fn refuse<T>(place: &str, came: impl Display, right: &str) -> Result<T, Problem> {
    let field = format!("spec.podSpec.{place}");
    let message = format!("{came} is refused by the operator's `--confine-pod-spec`; {right}");
    Err(Problem::new(Reason::ConfinedPodSpec, field, message))
}

/// A text of the spec in a message.
fn shown(text: &str) -> String {
    format!("`{}`", plain(text))
}

/// A text of the spec, cut and on one line.
fn plain(text: &str) -> String {
    let text: String = text.chars().take(MAX_SHOWN).collect();
    text.escape_debug().to_string()
}

#[cfg(test)]
mod tests;
