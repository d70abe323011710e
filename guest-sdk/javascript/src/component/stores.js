// The stores that the operator grants.

export { open } from "wasi:keyvalue/store@0.2.0-draft";
