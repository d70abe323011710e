use std::{fs, path::PathBuf};

use super::*;
use crate::{
    Access, SecretRef, TextOrSecret,
    manifest::tests::{accept, origin, refuse, surroundings, tools},
};

fn parse(text: &str) -> Result<WassettePolicy, ManifestError> {
    WassettePolicy::parse_in(text, &origin(), &surroundings())
}

/// What `permissions` says, from column 15 of line 2.
fn permissions(text: &str) -> Result<WassettePolicy, ManifestError> {
    parse(&format!("version: '1.0'\npermissions: {text}"))
}

const POLICY: &str = "\
$schema: https://example.org/policy-v1.0.schema.json
version: \"1.0\"
description: What the weather tool may reach
permissions:
  storage:
    allow:
      - uri: fs://workspace/**
        access: [read, write]
      - uri: fs:///srv/data
        access: [read]
    deny: null
  network:
    allow:
      - host: api.weather.com
      - host: https://example.com/
      - host: '*.example.org'
      - host: localhost:8080
    deny: []
  environment:
    allow:
      - key: API_KEY
  resources:
    limits: { memory: 64Mi }
  runtime: null
";

#[test]
fn a_policy_becomes_grants() {
    let WassettePolicy { allow, memory } = parse(POLICY).expect("a policy");
    let folders: Vec<_> = allow
        .files
        .iter()
        .map(|folder| (folder.host.to_path_buf(), &*folder.guest, folder.access))
        .collect();
    assert_eq!(
        folders,
        [
            (
                PathBuf::from("/etc/workspace"),
                "/workspace",
                Access::ReadWrite
            ),
            (PathBuf::from("/srv/data"), "/srv/data", Access::Read),
        ]
    );
    let rules: Vec<_> = allow
        .http
        .iter()
        .map(|rule| (rule.host.to_string(), rule.port.get(), rule.private))
        .collect();
    assert_eq!(
        rules,
        [
            ("api.weather.com".to_owned(), 443, false),
            ("api.weather.com".to_owned(), 80, false),
            ("example.com".to_owned(), 443, false),
            ("*.example.org".to_owned(), 443, false),
            ("*.example.org".to_owned(), 80, false),
            ("localhost".to_owned(), 8080, true),
        ]
    );
    let secret = SecretRef::Env("API_KEY".to_owned());
    assert_eq!(*allow.env["API_KEY"], TextOrSecret::Secret { secret });
    assert_eq!(memory, Some(ByteSize::mib(64)));
}

#[test]
fn a_policy_may_grant_nothing() {
    for text in [
        "version: 1.0",
        "version: '1.1'\npermissions:",
        "version: '1.0'\npermissions: {}",
        "version: '1.0'\npermissions: { storage: { allow: } , network: ~, resources: {} }",
    ] {
        assert_eq!(parse(text).expect(text), WassettePolicy::default());
    }
}

#[test]
fn folders_are_where_wassette_has_them() {
    for (uri, host, guest) in [
        ("fs://a/b/**", "/etc/a/b", "/a/b"),
        ("fs://a/b/", "/etc/a/b", "/a/b"),
        ("fs://a/b", "/etc/a/b", "/a/b"),
        ("fs://./a/**", "/etc/a", "/a"),
        ("fs:///a//b/**", "/a/b", "/a/b"),
        ("fs:///**", "/", "/"),
        ("fs:///", "/", "/"),
        ("fs://**", "/etc", "/"),
        ("fs://~/a", "/etc/~/a", "/~/a"),
    ] {
        let text = format!("{{storage: {{allow: [{{uri: '{uri}', access: [read]}}]}}}}");
        let policy = permissions(&text).expect(uri);
        let [folder] = &*policy.allow.files else {
            panic!("one folder");
        };
        assert_eq!(*folder.host, PathBuf::from(host), "{uri}");
        assert_eq!(folder.guest, guest, "{uri}");
    }
}

#[test]
fn memory_has_a_unit_of_kubernetes_or_is_the_older_number_of_mebibytes() {
    for (resources, bytes) in [
        ("{limits: {memory: 512Mi}}", 512 << 20),
        ("{limits: {memory: 1Gi}}", 1 << 30),
        ("{limits: {memory: 64000k}}", 64_000_000),
        ("{limits: {memory: 1G}}", 1_000_000_000),
        ("{memory: 64}", 64 << 20),
    ] {
        let policy = permissions(&format!("{{resources: {resources}}}")).expect(resources);
        assert_eq!(policy.memory, Some(ByteSize::bytes(bytes)), "{resources}");
    }
}

#[test]
fn what_would_not_mean_the_same_is_refused() {
    for (text, error) in [
        (
            "version: 2.0",
            "1:10: `2.0` is not a version of Wassette's policies: it starts with `1.`",
        ),
        ("permissions: {}", "1:1: the key `version` is missing"),
        (
            "version: 1.0\npermisions: {}",
            "2:1: unknown key `permisions`, did you mean `permissions`?",
        ),
    ] {
        let refused = parse(text).expect_err(text).to_string();
        assert_eq!(refused, format!("/etc/sandglass.yaml:{error}"));
    }
    for (text, place_and_part) in [
        (
            "{stroage: {}}",
            "2:15: unknown key `stroage`, did you mean `storage`?",
        ),
        // Storage.
        (
            "{storage: {allow: [{uri: 'http://a', access: [read]}]}}",
            "2:39: only `fs://` is storage",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a/*', access: [read]}]}}",
            "2:39: a folder is granted as a whole",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a/*.log', access: [read]}]}}",
            "2:39: a folder is granted",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a/**/b', access: [read]}]}}",
            "2:39: a folder is granted",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a**', access: [read]}]}}",
            "2:39: a folder is granted",
        ),
        (
            "{storage: {allow: [{uri: 'fs://../a', access: [read]}]}}",
            "2:39: `fs://../a` leads out of a folder by `..`; write the whole path",
        ),
        (
            "{storage: {allow: [{uri: 'fs:///etc/passwd', access: [read]}]}}",
            "2:39: this is a file",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a', access: [write]}]}}",
            "2:57: files that can be written",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a', access: []}]}}",
            "2:57: it grants nothing",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a', access: [execute]}]}}",
            "2:58: `execute` is not an access",
        ),
        (
            "{storage: {allow: [{uri: 'fs://a', access: [read]}, {uri: 'fs://a/**', access: [read]}]}}",
            "2:72: the folder `/a` is given in line 2 already",
        ),
        (
            "{storage: {deny: [{uri: 'fs://a', access: [read]}]}}",
            "2:31: nothing is denied out of",
        ),
        // Network.
        (
            "{network: {allow: [{cidr: 10.0.0.0/8}]}}",
            "2:40: Wassette looks at a request's host alone",
        ),
        (
            "{network: {allow: [{defaults: true}]}}",
            "2:44: the hosts that it stands for",
        ),
        (
            "{network: {allow: [{}]}}",
            "2:33: the key `host` is missing",
        ),
        (
            "{network: {allow: [{host: '*'}]}}",
            "2:40: `*` is not a host",
        ),
        (
            "{network: {allow: [{host: 'https://a.com/b'}]}}",
            "2:40: `a.com/b` is not a host",
        ),
        (
            "{network: {deny: [{host: a.com}]}}",
            "2:31: nothing is denied out of",
        ),
        // The rest.
        (
            "{environment: {allow: [{key: 'A=B'}]}}",
            "2:43: `A=B` is not the name of a variable",
        ),
        (
            "{environment: {allow: [{key: 'PATH_*'}]}}",
            "2:43: `PATH_*` is not the name of a variable",
        ),
        (
            "{environment: {deny: [{key: A}]}}",
            "2:35: nothing is denied out of",
        ),
        (
            "{resources: {limits: {cpu: 500m}}}",
            "2:41: a share of the processor cannot be kept",
        ),
        (
            "{resources: {cpu: 50}}",
            "2:32: a share of the processor cannot be kept",
        ),
        (
            "{resources: {io: 50}}",
            "2:31: operations on files are not counted",
        ),
        (
            "{resources: {limits: {memory: 512}}}",
            "2:44: `512` is not a quantity such as 512Mi",
        ),
        (
            "{resources: {limits: {memory: 1.5Gi}}}",
            "2:44: `1.5Gi` is not a quantity",
        ),
        (
            "{resources: {memory: 1, limits: {memory: 1Gi}}}",
            "2:35: `limits.memory` says it already",
        ),
        ("{runtime: {docker: {}}}", "2:24: it is for other runtimes"),
        ("{ipc: {allow: []}}", "2:20: no component here has channels"),
    ] {
        let refused = permissions(text).expect_err(text).to_string();
        let expected = format!("/etc/sandglass.yaml:{place_and_part}");
        assert!(refused.starts_with(&expected), "{text}: {refused}");
    }
}

#[test]
fn a_manifest_takes_a_source_s_grants_from_a_policy() {
    let folder = std::env::temp_dir().join(format!("sandglass-policy-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("policy.yaml");
    fs::write(&path, POLICY).expect("a file");
    let shown = path.display();

    let mut manifest = accept(&format!("tools: [{{source: ./x.wasm, policy: {shown}}}]"));
    assert_eq!(manifest.policies().collect::<Vec<_>>(), [path.as_path()]);
    let [tool] = tools(&manifest) else {
        panic!("one tool");
    };
    let policy = WassettePolicy::read(&path).expect("a policy");
    assert_eq!(tool.allow, policy.allow);
    assert_eq!(*tool.allow.files[0].host, folder.join("workspace"));
    assert_eq!(Some(tool.limits.memory), policy.memory);
    // The resolved form has the grants, and no policy beside them.
    let resolved = accept(&manifest.to_yaml());
    manifest
        .tools
        .iter_mut()
        .flatten()
        .for_each(|tool| tool.policy = None);
    assert_eq!(resolved, manifest);

    for (more, error) in [
        (
            "allow: {env: {A: b}}",
            "`allow` and `policy` cannot stand together; keep one of them",
        ),
        (
            "limits: {memory: 1MiB}",
            "the policy limits the memory to 64MiB already; keep one of both",
        ),
    ] {
        let text = format!("tools: [{{source: ./x.wasm, {more}, policy: {shown}}}]");
        assert!(refuse(&text).contains(error), "{}", refuse(&text));
    }
    let small = format!(
        "version: 1\nengine: {{max_memory: 1MiB}}\ndefaults: {{limits: {{memory: 1MiB}}}}\n\
         tools: [{{source: ./x.wasm, policy: {shown}}}]"
    );
    assert!(
        refuse(&small).starts_with("4:36: limits.memory 64MiB is over"),
        "{}",
        refuse(&small)
    );

    fs::write(&path, "version: '1.0'\npermissions: { ipc: 1 }").expect("a file");
    let text = format!("tools: [{{source: ./x.wasm, policy: {shown}}}]");
    let error = crate::manifest::tests::parse(&text).expect_err("a wrong policy");
    assert!(
        error.to_string().starts_with(&format!("{shown}:2:21: ")),
        "{error}"
    );
    fs::remove_dir_all(&folder).expect("its own folder");
    assert!(
        refuse(&text).starts_with("1:36: the policy `"),
        "{}",
        refuse(&text)
    );
}
