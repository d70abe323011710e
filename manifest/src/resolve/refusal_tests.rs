//! What a manifest cannot say about grants, stores, tenants, identity and audit.

use crate::manifest::tests::refuse;

/// Each document stands after `version: 1`, so that its first line is the second.
#[track_caller]
fn refuse_each(cases: &[(&str, &str)]) {
    for (text, error) in cases {
        assert_eq!(refuse(&format!("version: 1\n{text}")), *error, "{text}");
    }
}

/// Each is what `allow` says, from column 34 of line 2.
#[track_caller]
fn refuse_each_allow(cases: &[(&str, &str)]) {
    for (allow, error) in cases {
        let text = format!(
            "version: 1\ntools: [{{source: ./x.wasm, allow: {allow}}}]\nstores: {{cache: {{kind: embedded, path: c}}}}"
        );
        assert_eq!(refuse(&text), *error, "{allow}");
    }
}

#[test]
fn grants_that_cannot_be_meant_are_refused() {
    refuse_each_allow(&[
        ("{}", "2:35: it grants nothing; remove the key"),
        ("{env: {}}", "2:41: it grants nothing; remove the key"),
        (
            "{http: []}",
            "2:42: the list is empty: it grants nothing; remove the key",
        ),
        (
            "{files: []}",
            "2:43: the list is empty: it grants nothing; remove the key",
        ),
        (
            "{keyvalue: []}",
            "2:46: the list is empty: it grants nothing; remove the key",
        ),
        (
            "{htpp: [a.com]}",
            "2:36: unknown key `htpp`, did you mean `http`?",
        ),
        ("[a]", "2:35: expected an object: keys and values"),
        ("{http: a.com}", "2:42: expected a list"),
        ("{http: [{host: [a]}]}", "2:50: expected a text"),
        // Variables.
        (
            "{env: {'A=B': x}}",
            "2:42: `A=B` is not the name of a variable: a name has no `=`, `*` or NUL",
        ),
        (
            "{env: {'': x}}",
            "2:42: `` is not the name of a variable: it is empty",
        ),
        (
            "{env: {A: 8080}}",
            "2:42: expected a text (a number or `true` in quotes) or `{ secret: { file: .. } }`, \
             found integer `8080`",
        ),
        (
            "{env: {A: true}}",
            "2:42: expected a text (a number or `true` in quotes) or `{ secret: { file: .. } }`, \
             found boolean `true`",
        ),
        (
            "{env: {A: \"a\\0b\"}}",
            "2:45: a variable's value cannot contain NUL",
        ),
        (
            "{env: {A: {secret: {}}}}",
            "2:54: where the secret lies is missing; write `file` or `env`",
        ),
        (
            "{env: {A: {secret: {file: a, env: B}}}}",
            "2:69: `file` and `env` cannot stand together; keep one of them",
        ),
        (
            "{env: {A: {file: a}}}",
            "2:46: unknown key `file`, the keys here are secret",
        ),
        (
            "{env: {A: {secret: {file: ''}}}}",
            "2:61: file `` is not a path",
        ),
        // HTTP.
        (
            "{http: ['https://a.com']}",
            "2:43: `https://a.com` is not a host: it has a scheme; write the name alone, such as \
             `api.example.com`, and `port` beside it",
        ),
        (
            "{http: ['a.com:0']}",
            "2:43: `0` is not a port: it is a number from 1 to 65535",
        ),
        ("{http: [{port: 1}]}", "2:44: the key `host` is missing"),
        (
            "{http: [{host: '*'}]}",
            "2:50: `*` is not a host: it would be every host; name it, or a domain: `*.example.com`",
        ),
        (
            "{http: [{host: 'a.com:1'}]}",
            "2:50: `a.com:1` is not a host: it has a port; write the name alone, and `port` beside it",
        ),
        (
            "{http: [{host: a.com, methods: []}]}",
            "2:66: the list is empty: no request could pass; name a method, or remove the key for any",
        ),
        (
            "{http: [{host: a.com, methods: ['a b']}]}",
            "2:67: `a b` is not a method such as GET: a method is one word",
        ),
        (
            "{http: [{host: a.com, methods: [CONNECT]}]}",
            "2:67: `CONNECT` is not a method such as GET: tunnels and traces are not offered; remove it",
        ),
        (
            "{http: [{host: a.com, methods: [GET, trace]}]}",
            "2:72: `trace` is not a method such as GET: tunnels and traces are not offered; remove it",
        ),
        (
            "{http: [{host: a.com, private: 'yes'}]}",
            "2:66: write `true` or `false`, without quotes",
        ),
        (
            "{http: [{host: a.com, port: 80, headers: {K: {secret: {env: K}}}}]}",
            "2:63: a secret header would go over port 80 in plain text, so no request passes; use port 443, \
             or write `private: true` for a server of your own network",
        ),
        (
            "{http: [{host: a.com, methods: [GET, get]}]}",
            "2:72: this is given in line 2 already; remove one",
        ),
        (
            "{http: [{host: a.com, path: v1}]}",
            "2:63: `v1` is not the beginning of a path: it must start with `/`",
        ),
        (
            "{http: [{host: a.com, headers: {}}]}",
            "2:66: it names no header; remove the key",
        ),
        (
            "{http: [{host: a.com, headers: {Host: x}}]}",
            "2:67: `Host` is not a header that can be set: the HTTP client sets it itself; remove it",
        ),
        (
            "{http: [{host: a.com, headers: {'a b': x}}]}",
            "2:67: `a b` is not a header that can be set: a name has letters, digits and `-`",
        ),
        (
            "{http: [{host: a.com, headers: {A: x, a: y}}]}",
            "2:76: the header a is given in line 2 already; remove one",
        ),
        (
            "{http: [{host: a.com, headers: {A: \"s3cr3t\\n\"}}]}",
            "2:70: the value of a has characters that no header can have",
        ),
        // Folders.
        (
            "{files: [{host: a, guest: data}]}",
            "2:61: `data` is not a guest's path: it must start with `/`",
        ),
        (
            "{files: [{host: a, guest: /a/../b}]}",
            "2:61: `/a/../b` is not a guest's path: it has a `.` or `..`; write the path that they \
             stand for",
        ),
        (
            "{files: [{host: a, guest: /a}, {host: b, guest: /a/}]}",
            "2:83: a folder at `/a` is given in line 2 already; choose another path",
        ),
        (
            "{files: [{host: a, guest: /a, access: write}]}",
            "2:73: `write` is not an access: write read, read-write",
        ),
        ("{files: [{guest: /a}]}", "2:45: the key `host` is missing"),
        // Stores.
        (
            "{keyvalue: [cach]}",
            "2:47: there is no store `cach`, did you mean `cache`?",
        ),
        (
            "{keyvalue: [zebra]}",
            "2:47: there is no store `zebra`, the stores here are cache",
        ),
        (
            "{keyvalue: [cache, cache]}",
            "2:54: this is given in line 2 already; remove one",
        ),
    ]);
    assert_eq!(
        refuse("tools: [{source: ./x.wasm, allow: {keyvalue: [cache]}}]"),
        "1:47: there is no store `cache`, write it in `stores`"
    );
}

#[test]
fn stores_that_cannot_be_meant_are_refused() {
    refuse_each(&[
        ("stores: {c: {path: a}}", "2:14: the key `kind` is missing"),
        (
            "stores: {c: {kind: redsi}}",
            "2:20: `redsi` is not a kind of store: did you mean `redis`?",
        ),
        (
            "stores: {c: {kind: sql}}",
            "2:20: `sql` is not a kind of store: write embedded, redis",
        ),
        (
            "stores: {c: {kind: embedded}}",
            "2:13: the key `path` is missing; it says where the values are kept",
        ),
        (
            "stores: {c: {kind: redis}}",
            "2:13: the key `url` is missing; write `url: redis://..`",
        ),
        (
            "stores: {c: {kind: redis, url: 'redis://a', path: b}}",
            "2:51: a redis store has no `path`; remove it",
        ),
        (
            "stores: {c: {kind: embedded, path: b, url: 'redis://a'}}",
            "2:44: an embedded store has no `url`; remove it",
        ),
        (
            "stores: {c: {kind: redis, url: 'http://a'}}",
            "2:32: `url` is not `redis://HOST:PORT` or `rediss://HOST:PORT`",
        ),
        (
            "stores: {c: {kind: redis, url: 'redis://a:99999'}}",
            "2:32: in `url`, the port is no number from 1 to 65535",
        ),
        (
            "stores: {c: {kind: redis, url: 'redis://u@[::1]:0/1'}}",
            "2:32: in `url`, the port is no number from 1 to 65535",
        ),
        (
            "stores: {c: {kind: redis, url: 'redis://:s3cr3t@a'}}",
            "2:32: the URL holds a password; put it in a file and write `url: { secret: { file: PATH } }`",
        ),
        (
            "stores: {c: {kind: embedded, path: a, quota: 0}}",
            "2:46: quota 0 leaves no room for any value; raise it",
        ),
        (
            "stores:\n  c: {kind: embedded, path: a}\n  d: {kind: embedded, path: ./a}",
            "4:29: a store in this file is given in line 3 already; choose another file",
        ),
        (
            "stores: {'a b': {kind: embedded, path: a}}",
            "2:10: `a b` is not a store's name: ` ` is not allowed, use letters, digits, `_`, `-` and `.`",
        ),
    ]);
    assert_eq!(
        refuse("stores: {c: {kind: embedded, path: a}}"),
        "1:9: the key `version` is missing; write `version: 1` at the beginning"
    );
}

#[test]
fn tasks_are_kept_in_a_store_that_is_there() {
    refuse_each(&[
        ("tasks: {}", "2:8: the key `store` is missing"),
        (
            "tasks: {store: cache}",
            "2:16: there is no store `cache`, write it in `stores`",
        ),
        (
            "stores: {cache: {kind: embedded, path: a}}\ntasks: {store: cahce}",
            "3:16: there is no store `cahce`, did you mean `cache`?",
        ),
    ]);
}

#[test]
fn tenants_that_cannot_be_meant_are_refused() {
    refuse_each(&[
        (
            "tenants: {Acme: {tools: []}}",
            "2:11: `Acme` is not a tenant's name: use lower-case letters, digits and `-`",
        ),
        (
            "tenants: {acme: {}}",
            "2:17: the key `tools` is missing; for a tenant without any write `tools: []`",
        ),
        (
            "tenants: {default: {tools: []}}",
            "2:28: the tools of `default` are the manifest's own `tools`; write them there",
        ),
        (
            "tenants: {default: {}}",
            "2:20: this says nothing; write `limits` or `quota`, or remove `default`",
        ),
        (
            "tenants: {default: {port: 9000}}",
            "2:27: the port of `default` is the host's own (`--port`); remove it here",
        ),
        (
            "tenants: {acme: {tools: [], port: 9000}, zoo: {tools: [], port: 9000}}",
            "2:65: the tenant `acme` has the port 9000; choose another",
        ),
        (
            "tenants: {acme: {tools: [], port: 0}}",
            "2:35: `0` is not a port: it is a number from 1 to 65535",
        ),
        (
            "tenants: {acme: {tools: [], quota: {}}}",
            "2:36: the quota bounds nothing; set one or remove the key",
        ),
        (
            "tenants: {acme: {tools: [], quota: {calls: 1}}}",
            "2:37: unknown key `calls`, the keys here are calls_per_minute, fuel_per_minute, concurrency",
        ),
        (
            "tenants: {acme: {tools: [], limits: {memory: 1GiB}}}",
            "2:46: limits.memory 1GiB is over engine.max_memory 512MiB; lower the one or raise the other",
        ),
        (
            "tools: [{source: ./x.wasm, name: a}]\ntenants: {acme: {tools: [{source: ./y.wasm, name: a}]}}",
            "3:51: the name `a` is given in line 2 already; choose another",
        ),
        (
            "tenants: {acme: {tools: [{source: ./x.wasm, allow: {keyvalue: [a]}}]}}",
            "2:64: there is no store `a`, write it in `stores`",
        ),
    ]);
}

#[test]
fn identities_that_cannot_be_meant_are_refused() {
    let hash = "a".repeat(64);
    let token = format!("{{sha256: {hash}, scopes: ['tools:*']}}");
    refuse_each(&[
        (
            "identity: {}",
            "2:11: nobody could call; name `tokens` or `jwt`, or remove `identity`",
        ),
        (
            "identity: {tokens: []}",
            "2:20: the list is empty: nobody could call with it; name one or remove the key",
        ),
        (
            "identity: {tokens: [{scopes: ['tools:*']}]}",
            "2:21: what the token is compared with is missing; write `sha256`, `secret` or `file`",
        ),
        (
            "identity: {tokens: [{sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855, scopes: ['tools:*']}]}",
            "2:30: this is the SHA-256 of nothing, and no token is empty; `printf %s TOKEN | sha256sum` prints \
             that of a token",
        ),
        (
            "identity: {tokens: [{sha256: s3cr3t, scopes: ['tools:*']}]}",
            "2:30: the SHA-256 of a token is 64 hex digits; `printf %s TOKEN | sha256sum` prints it",
        ),
        (
            "identity: {tokens: [{secret: {file: a}}]}",
            "2:21: the key `scopes` is missing; for all tools write `scopes: [\"tools:*\"]`",
        ),
        (
            "identity: {tokens: [{secret: {file: a}, scopes: []}]}",
            "2:49: the list is empty: the token could do nothing; for all tools write \"tools:*\"",
        ),
        (
            "identity: {tokens: [{secret: {file: a}, scopes: ['tool:*']}]}",
            "2:50: `tool:*` is not a scope: write `tools:*`, `tools:` and a tool's name, `prompts:*`, `prompts:` and a prompt's name, `resources:*`, or `management`",
        ),
        (
            "identity: {tokens: [{file: a, tenant: default}]}",
            "2:28: beside `file` nothing else stands; the file says it for each of its tokens",
        ),
        (
            "identity: {tokens: [{file: a}, {file: ./a}]}",
            "2:39: this file is given in line 2 already; remove one",
        ),
        (
            "identity: {tokens: [{secret: {file: a}, scopes: [management], tenant: acme}]}",
            "2:71: there is no tenant `acme`, write it in `tenants`",
        ),
        (
            "tenants: {acme: {tools: []}}\nidentity: {tokens: [{secret: {file: a}, scopes: [management], tenant: acm}]}",
            "3:71: there is no tenant `acm`, did you mean `acme`?",
        ),
        (
            &format!("identity:\n  tokens:\n    - {token}\n    - {token}"),
            "5:16: this token is given in line 4 already; remove one",
        ),
        (
            "identity: {jwt: [{audience: a}]}",
            "2:19: the key `issuer` is missing",
        ),
        (
            "identity: {jwt: [{issuer: 'http://a.com', audience: a}]}",
            "2:27: `http://a.com` is not an https URL: whoever is on the way could give other keys; \
             use `https` (`http` only on loopback)",
        ),
        (
            "identity: {jwt: [{issuer: 'https://a.com', audience: []}]}",
            "2:54: the list is empty: no token could pass; write what `aud` must have",
        ),
        (
            "identity: {jwt: [{issuer: 'https://a.com', audience: ''}]}",
            "2:54: the audience is empty; write what `aud` must have",
        ),
        (
            "identity: {jwt: [{issuer: 'https://a.com', audience: a, tenant: default, tenant_claim: t}]}",
            "2:88: `tenant` and `tenant_claim` cannot stand together; keep one of them",
        ),
        (
            "identity: {jwt: [{issuer: 'https://a.com', audience: a, algorithms: [HS256]}]}",
            "2:70: `HS256` is not an accepted algorithm: who can check its signatures can make them too; \
             use RS256 or ES256",
        ),
        (
            "identity:\n  jwt:\n  - {issuer: 'https://a.com', audience: a}\n  - {issuer: 'https://a.com', audience: [b, a]}",
            "5:45: this audience of the issuer is given in line 4 already; remove one",
        ),
        (
            &format!("identity: {{tokens: [{token}], resource: 'tools.svc'}}"),
            "2:129: `tools.svc` is not the URL of a server: it starts with `https://` and a host",
        ),
    ]);
}

#[test]
fn audits_that_cannot_be_meant_are_refused() {
    refuse_each(&[
        ("audit: {}", "2:8: the key `to` is missing"),
        (
            "audit: {to: stdot}",
            "2:13: `stdot` is not a place for audit records: did you mean `stdout`?",
        ),
        (
            "audit: {to: file}",
            "2:13: the key `path` is missing; it names the file",
        ),
        (
            "audit: {to: stdout, keep: 3}",
            "2:27: this has an effect only with `to: file`; write that or remove it",
        ),
        (
            "audit: {to: file, path: a, max_size: 0}",
            "2:38: max_size 0 leaves no room for any record; raise it",
        ),
        (
            "audit: {to: stdout, key: {file: a}}",
            "2:27: unknown key `file`, the keys here are secret",
        ),
    ]);
}

#[test]
fn what_may_be_a_secret_is_not_in_an_error() {
    for text in [
        "identity: {tokens: [{secret: s3cr3t, scopes: [management]}]}",
        "identity: {tokens: [{secret: {file: {s3cr3t: 1}}, scopes: [management]}]}",
        "identity: {tokens: [s3cr3t]}",
        "identity: {tokens: [{sha256: [s3cr3t]}]}",
        "stores: {c: {kind: redis, url: 'redis://a:s3cr3t@b:c:d'}}",
        "stores: {c: {kind: redis, url: 's3cr3t'}}",
        "audit: {to: stdout, key: s3cr3t}",
        "audit: {to: stdout, key: {secret: s3cr3t}}",
        "tools: [{source: ./x.wasm, allow: {env: {KEY: {secret: s3cr3t}}}}]",
        "tools: [{source: ./x.wasm, allow: {http: [{host: a.com, headers: {A: \"s3cr3t\\0\"}}]}}]",
    ] {
        let error = refuse(&format!("version: 1\n{text}"));
        assert!(!error.contains("s3cr3t"), "{text}: {error}");
    }
}

#[test]
fn signatures_that_nothing_could_carry_are_refused() {
    for (verify, error) in [
        ("{}", "2:42: the key `cosign` is missing"),
        (
            "{cosign: {}}",
            "2:51: neither `key` nor `keyless` is here: name the file of a public key, or whom the certificate is for",
        ),
        (
            "{cosign: {keyless: {identity: a@b.c, issuer: 'https://d.e'}}}",
            "2:79: the key `trust_root` is missing",
        ),
        (
            "{cosign: {keyless: {identity: '*', issuer: 'https://d.e', trust_root: f}}}",
            "2:72: `*` is not the identity of a certificate: `*` stands at the end, after a `/` or `@`",
        ),
        ("{cosign: {key: ''}}", "2:57: key `` is not a path"),
        (
            "{cosign: {key: 'file:'}}",
            "2:57: after `file:` the path is missing",
        ),
        (
            "{cosign: {key: []}}",
            "2:57: the list is empty: no signature could be the right one; name the file of a public key",
        ),
        (
            "{cosign: {key: [a.pub, ./a.pub]}}",
            "2:65: this key is given in line 2 already; remove one",
        ),
        (
            "{cosign: {key: a.pub, issuer: b}}",
            "2:64: unknown key `issuer`, the keys here are key, keyless",
        ),
        ("a.pub", "2:42: expected an object: keys and values"),
    ] {
        let text = format!("version: 1\ntools: [{{source: oci://a.io/b:1, verify: {verify}}}]");
        assert_eq!(refuse(&text), error, "{verify}");
    }
    refuse_each(&[
        (
            "tools: [{source: ./x.wasm, verify: {cosign: {key: a.pub}}}]",
            "2:36: only artifacts of registries carry signatures; push the component to one (`sandglass push`), or remove the key",
        ),
        (
            "require_signature: []",
            "2:20: the list is empty: no signature is required; remove the key",
        ),
        (
            "require_signature: [{source: 'oci://*'}]",
            "2:22: the key `cosign` is missing",
        ),
        (
            "require_signature: [{source: 'oci://a.io/b*', cosign: {key: a.pub}}]",
            "2:30: `oci://a.io/b*` is not a pattern of sources: `*` stands at the end, after a `/`, for all that is below",
        ),
    ]);
}
