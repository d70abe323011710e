//! Key-value stores.

use guest_support::{Value, json};

use crate::{Answer, number, text, told};

/// The bindings of what WASI 0.2 itself does not have.
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package test:reach;
            world imports {
                import wasi:config/store@0.2.0-rc.1;
                import wasi:keyvalue/store@0.2.0-draft;
                import wasi:keyvalue/atomics@0.2.0-draft;
                import wasi:keyvalue/batch@0.2.0-draft;
            }
        ",
        path: "../../../wit",
        world: "test:reach/imports",
        generate_all,
    });
}

use bindings::wasi::keyvalue::{atomics, batch, store};

/// `{store, op, key, value, delta, cursor, keys}`: `op` is a function's name. Values are text.
pub fn operate(arguments: &Value) -> Answer {
    let bucket = store::open(text(arguments, "store")).map_err(told)?;
    let key = text(arguments, "key");
    let keys: Vec<String> = arguments["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|key| key.as_str().map(str::to_owned))
        .collect();
    let readable = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let answer = match text(arguments, "op") {
        "open" => Ok(Value::Null),
        "get" => bucket.get(key).map(|found| found.map(readable).into()),
        "set" => bucket
            .set(key, text(arguments, "value").as_bytes())
            .map(Value::from),
        "delete" => bucket.delete(key).map(Value::from),
        "exists" => bucket.exists(key).map(Value::from),
        "list" => bucket
            .list_keys(arguments["cursor"].as_u64())
            .map(|page| json!({ "keys": page.keys, "cursor": page.cursor })),
        "increment" => {
            atomics::increment(&bucket, key, number(arguments, "delta", 1)).map(Value::from)
        }
        "get_many" => batch::get_many(&bucket, &keys).map(|found| {
            found
                .into_iter()
                .map(|pair| pair.map(|(key, value)| json!([key, readable(value)])))
                .map(Value::from)
                .collect()
        }),
        "set_many" => {
            let value = text(arguments, "value").as_bytes();
            let pairs: Vec<_> = keys.into_iter().map(|key| (key, value.to_vec())).collect();
            batch::set_many(&bucket, &pairs).map(Value::from)
        }
        "delete_many" => batch::delete_many(&bucket, &keys).map(Value::from),
        unknown => return Err(format!("no operation {unknown:?}")),
    };
    answer.map_err(told)
}

/// `{store, bytes, times}`: sets that many keys to values of that many bytes; how many went in before the first error.
pub fn fill(arguments: &Value) -> Answer {
    let bucket = store::open(text(arguments, "store")).map_err(told)?;
    let value = vec![b'x'; number(arguments, "bytes", 1 << 20) as usize];
    let times = number(arguments, "times", u64::MAX);
    for n in 0..times {
        if let Err(error) = bucket.set(&format!("fill {n}"), &value) {
            return Ok(json!({ "written": n, "error": told(error) }));
        }
    }
    Ok(json!({ "written": times }))
}
