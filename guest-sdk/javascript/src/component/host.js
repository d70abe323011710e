// The functions of the host that a component runs in.

export { ask, cancelled, log, progress } from "sandglass:tool/host@0.1.0";
export { updated } from "sandglass:tool/resource-updates@0.1.0";
